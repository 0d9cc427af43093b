# Llama 3 with 8 billion parameters (Touvron et al., 2023; Meta, 2024): norms before each part, rotary embeddings of
# queries and keys, four query heads to each key-value head, and SwiGLU in each of 32 blocks.
archviz gallery/llama.py --width column --title "Llama 3 8B" -o llama.svg -o llama.tex
