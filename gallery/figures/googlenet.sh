# GoogLeNet (Szegedy et al., 2015, figure 3): nine Inception modules; beside the third and the sixth, auxiliary classifiers.
archviz gallery/inception.py:GoogLeNet --direction right --depth 1 --collapse 'auxiliary*' \
  --set 'captions.Conv2d={kernel_size:x}, {out_channels}[, /{stride!1}]' \
  --set 'captions.MaxPool2d={kernel_size:x} max[, /{stride!1}]' --set sizes.min_box=22 --set sizes.box_x=3 \
  --set sizes.across=4 --set sizes.along=8 --set sizes.pad=4 --max-height 230mm \
  --width page -o googlenet.svg -o googlenet.tex
