"""The command line under its published name: ``archviz.cli:main``."""
from archviz.apps.cli.main import main as main
