"""Numbers → colours: scales, colour bars, pixels, and which box shows which value."""
