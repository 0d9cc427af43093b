# U-Net (Ronneberger et al., 2015, figure 1): down, across and up again, with the maps that are copied across.
archviz gallery/unet.py --style cube -o unet.svg -o unet.tex
