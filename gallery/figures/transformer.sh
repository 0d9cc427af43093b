# The Transformer (Vaswani et al., 2017, figure 1): an encoder, and a decoder that reads it, each of six equal layers.
archviz gallery/transformer.py --style sublayers -o transformer.svg -o transformer.tex
