"""The documentation of archviz: ``sphinx-build -W -j2 docs docs/_build/html``.

Every figure is drawn while it is built.  Nothing is fetched: links to Python, Sphinx and PyTorch are resolved by the
inventories in ``inventories/``, unless ARCHVIZ_DOCS_ONLINE is set.
"""
import os
import sys
from pathlib import Path

import archviz

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

from plugin import announced  # noqa: E402 - it lies in _ext

project = "archviz"
author = copyright = "the authors of archviz"
version = release = archviz.__version__

extensions = [
    "archviz.sphinxext",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinxarg.ext",
    "insight",
    "lists",
    "methods_table",
    "settings",
]
exclude_patterns = ["_build", "examples"]
nitpicky = True
nitpick_ignore_regex = [("py:obj", ".*")]        # what default_role takes for the name of something

html_theme = "furo"
html_title = "archviz"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_copyright = False
highlight_language = "text"
smartquotes = False          # -- stays what it is
default_role = "autolink"           # what is documented is a link, other words are not
python_maximum_signature_line_length = 100
add_module_names = False

archviz_width = "150mm"

autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"        # words of a type that name nothing
numpydoc_xref_aliases = {
    **{name: f"archviz.core.graph.{name}" for name in ("TensorSpec", "Edge", "Node", "Module", "Graph")},
    **{name: f"archviz.core.scene.{name}" for name in ("Paint", "Scene", "Group", "Text", "Image", "Cuboid")},
    **{name: f"archviz.core.geometry.{name}" for name in ("Layout", "Size", "Place", "Frame", "Route")},
    **{name: f"archviz.style.style.{name}" for name in ("Style", "Page", "Kind")},
    **{name: f"archviz.{name}" for name in ("ArchvizError", "DoesNotFit", "Figure")},
    "Options": "archviz.figure.options.Options", "Mapping": "collections.abc.Mapping", "Tensor": "torch.Tensor",
    "Path": "pathlib.Path", "torch.nn.Module": "torch.nn.Module",
}

online = bool(os.environ.get("ARCHVIZ_DOCS_ONLINE"))
intersphinx_mapping = {
    name: (address, None if online else f"inventories/{name}.inv")
    for name, address in {
        "python": "https://docs.python.org/3/",
        "sphinx": "https://www.sphinx-doc.org/en/master/",
        "torch": "https://docs.pytorch.org/docs/stable/",
    }.items()
}

# What the page about extending archviz shows is a package, which looks installed while the pages are built.
EXAMPLES = HERE / "examples"
sys.path[:0] = map(str, (EXAMPLES, EXAMPLES / "plugin", announced(EXAMPLES / "plugin", HERE / "_build" / "site")))
