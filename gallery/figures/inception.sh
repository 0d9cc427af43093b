# The Inception module (Szegedy et al., 2015, figure 2b): four branches of the same maps, their results side by side.
archviz gallery/inception.py:Inception --direction down --width 110mm --title 'Inception module' \
  --set 'captions.cat=filter concatenation' -o inception.svg -o inception.tex
