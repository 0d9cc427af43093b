# Sequence to sequence with attention (Bahdanau et al., 2015, figure 1): an encoder that reads both ways, and for every
# word of the target the sum of what it made of the source, weighted by a small network and a softmax.
archviz gallery/seq2seq.py --width column --title "Sequence to sequence with attention" -o seq2seq.svg -o seq2seq.tex
