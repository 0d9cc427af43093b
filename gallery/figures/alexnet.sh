# AlexNet on its two GPUs (Krizhevsky et al., 2012, figure 2): what each computes, and where they exchange it.
archviz gallery/alexnet.py --style wire --streams groups -o alexnet.svg -o alexnet.tex
