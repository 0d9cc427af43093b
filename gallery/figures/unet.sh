# U-Net (Ronneberger et al., 2015, figure 1): down, across and up again; what is copied is white, what is done has a colour.
archviz gallery/unet.py --arg padding=0 --input 1x1x572x572 --style cube --set options.arrows=operations \
  --set 'options.projection=cabinet 45 0.25' --set 'options.space=power 0.6' --title U-Net -o unet.svg -o unet.tex
