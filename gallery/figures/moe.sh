# A mixture of experts (Shazeer et al., 2017, figure 1; sizes of Mixtral 8x7B, Jiang et al., 2024): a router that sends
# each token to two of eight experts, and the sum of what they make of it, weighted by the softmax of their scores.
archviz gallery/moe.py --width column --direction down --collapse Expert --title "Mixture of experts" \
    -o moe.svg -o moe.tex
