# A convolution beside a dense layer (Goodfellow et al., 2016, chapter 9): few weights, each shared, or one for each pair.
archviz gallery/sparse_dense.py:Convolution gallery/sparse_dense.py:Dense --align --style node-link \
    --title "convolution | fully connected" --set options.signals=neurons -o convolution.svg -o convolution.tex
