"""``python -m archviz``: the command line.  Imports cli."""
import sys

from archviz.cli import main

sys.exit(main())
