# The grid: what each layer makes of a digit, the first feature maps of each as tiles, the scores at the end (after the
# strip of Stanford's CS231n).  python gallery/digits.py digits.safetensors trains the network in a few seconds.
archviz record gallery/digits.py --weights digits.safetensors --picture layers -o grid.svg -o grid.tex -o grid.pdf
