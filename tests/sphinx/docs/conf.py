"""The documentation of two packages, alpha and beta."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

project, author, version, release, copyright = "Sample", "The authors", "1", "1.0", "The authors"
extensions = ["archviz.sphinxext", "myst_parser"]
myst_enable_extensions = ["colon_fence"]
numfig = True
html_theme = "furo"
epub_show_urls = "no"
