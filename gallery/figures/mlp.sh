# A multilayer perceptron, neuron by neuron: the weights it has learned, those above zero blue, those below zero orange.
archviz gallery/mlp.py --style node-link --edges top50% -o mlp.svg -o mlp.tex
