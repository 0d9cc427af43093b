# A recurrent network, folded and unrolled in time (Goodfellow et al., 2016, figure 10.2; LeCun et al., 2015, figure 5).
archviz gallery/rnn.py --style node-link --unroll 3 --set options.lone=true --title "" -o rnn.svg -o rnn.tex
