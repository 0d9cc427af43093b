# The U-Net of a latent diffusion model (Ho et al., 2020; Rombach et al., 2022, figure 3): every level is told the time,
# and attends to the text; what it makes of the latent image on the way down is concatenated on the way up.
archviz gallery/diffusion.py --collapse ResAttention --collapse Sequential \
    --title "Diffusion U-Net" -o diffusion.svg -o diffusion.tex
