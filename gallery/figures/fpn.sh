# A feature pyramid that predicts at every level (Lin et al., 2017, figure 3): lateral 1×1 convolutions, ×2 on the way back.
archviz gallery/fpn.py --direction down --depth 0 --title 'Feature pyramid' -o fpn.svg -o fpn.tex
