# DenseNet-121 (Huang et al., 2017, table 1): dense blocks, whose every layer adds 32 maps to all before it; transitions.
archviz gallery/densenet.py:densenet121 -o densenet121.svg -o densenet121.tex
