# BERT-base (Devlin et al., 2019): the sum of three embeddings, twelve blocks of encoder, and the pooled first token.
archviz gallery/bert.py --style sublayers --collapse pooler -o bert.svg -o bert.tex
