"""A graph and a style → a `Scene`: where things go (layouts), how they look (forms), what is written on them."""
