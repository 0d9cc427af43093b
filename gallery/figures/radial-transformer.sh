# A Transformer (GPT-2, Radford et al., 2019) at the level of its operations: two lobes a block, for attention and MLP.
archviz gallery/gpt.py --style radial --width 140mm --title GPT-2 -o radial-transformer.svg -o radial-transformer.tex
