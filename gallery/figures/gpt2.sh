# GPT-2 (Radford et al., 2019): twelve blocks with the norm before each sublayer; one table reads and writes the words.
archviz gallery/gpt.py --style sublayers --title GPT-2 -o gpt2.svg -o gpt2.tex
