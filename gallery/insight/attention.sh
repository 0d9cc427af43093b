# Where the heads of its second layer look while it reads the sentence.
archviz explain gallery/topics.py --weights topics.safetensors --method attention --nodes 'layers.1*' -o attention.svg \
    --text "The finally clause runs whether or not the try statement raises an exception, and may leave it with return."
