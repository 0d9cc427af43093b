"""The Sphinx extension under its published name: ``extensions = ["archviz.sphinxext"]``."""
from archviz.apps.sphinx import setup as setup
