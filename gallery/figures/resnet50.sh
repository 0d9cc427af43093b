# ResNet-50 (He et al., 2016, table 1): stages of equal bottlenecks, each with its shortcut.
archviz gallery/resnet.py:resnet50 -o resnet50.svg -o resnet50.tex
