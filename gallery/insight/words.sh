# Which words tell a small Transformer that a sentence is from the chapter about errors.
archviz explain gallery/topics.py --weights topics.safetensors --method lrp,saliency -o words.svg --width 120mm \
    --text "The finally clause runs whether or not the try statement raises an exception, and may leave it with return."
