# Sequence to sequence with attention (Bahdanau et al., 2015, figure 1): an encoder that reads both ways, and a decoder
# that at every step takes the sum of what the encoder gave, weighted by how well it fits the state before.
archviz gallery/seq2seq.py --style node-link --unroll 3 --title "Sequence to sequence with attention" \
    -o seq2seq.svg -o seq2seq.tex
