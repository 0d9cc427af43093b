"""The ways to ask for a figure: command line, notebook, server, Sphinx."""
