# A recurrent network, unrolled over time: what is passed on, and that the weights are the same.
archviz gallery/lstm.py --style node-link --unroll 2 -o lstm.svg -o lstm.tex
