# VGG-16 (Simonyan and Zisserman, 2015): the volume of every feature map, as its depth grows and its size shrinks.
archviz gallery/vgg16.py --style cube --title VGG-16 -o vgg16.svg -o vgg16.tex
