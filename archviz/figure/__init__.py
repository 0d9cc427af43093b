"""A graph and options → a `Figure`: compiled, fitted to its page, captioned, with what opens and its insets."""
