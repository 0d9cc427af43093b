# LeNet-5 (LeCun et al., 1998, figure 2): planes of feature maps, what each of their units sees, and what turns one layer into the next.
archviz gallery/lenet.py --style planes --title LeNet-5 -o lenet.svg -o lenet.tex
