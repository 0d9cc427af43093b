# One digit, and what every method says of it.
archviz explain gallery/digits.py --weights digits.safetensors -o methods.svg \
    --method saliency,smoothgrad,gradient_input,ig,guided,deconvnet,lrp,gradcam,cam,occlusion
