# VGG-19, a plain network and a residual one of 34 layers (He et al., 2016, figure 3), what is equally large side by side.
archviz gallery/vgg19.py gallery/plain34.py gallery/resnet.py:resnet34 --align \
    --title "VGG-19 | 34-layer plain | 34-layer residual" -o resnet34.svg -o resnet34.tex
