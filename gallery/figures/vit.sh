# The vision transformer (Dosovitskiy et al., 2021, figure 1): patches as words, and one block of its encoder opened up.
archviz gallery/vit.py --style sublayers --inset encoder.0 --collapse head -o vit.svg -o vit.tex
