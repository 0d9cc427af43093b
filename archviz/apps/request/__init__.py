"""A figure asked for in words: options, what they make, what there is to ask for."""
