# A recurrent network, unrolled over three steps of time: what is passed on, and that the weights are the same.
archviz gallery/lstm.py --style node-link --unroll 3 -o lstm.svg -o lstm.tex
