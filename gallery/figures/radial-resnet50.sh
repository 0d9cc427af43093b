# ResNet-50 (He et al., 2016) at the level of its operations, as Graphcore's pictures of computational graphs show it.
archviz gallery/resnet.py:resnet50 --style radial --width 140mm -o radial-resnet50.svg -o radial-resnet50.tex
