"""The files that a figure depends on."""
