"""``python -m archviz``: the command line."""
import sys

from archviz.apps.cli.main import main

sys.exit(main())
