# The U-Net of a latent diffusion model (Ho et al., 2020; Rombach et al., 2022, figure 3): residual blocks are told the
# time, attention takes keys and values from the text; what is made on the way down is concatenated on the way up.
archviz gallery/diffusion.py --collapse ResidualBlock --collapse CrossAttention --collapse Sequential \
    --set sizes.along=8 --set sizes.pad=4.5 --set sizes.across=8 --title "Diffusion U-Net" -o diffusion.svg -o diffusion.tex
