"""``archviz serve``: the figure in a browser, drawn again whenever a file is saved.

In: the answers of the command line, and its words.  Out: a server, until Ctrl-C.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence

from archviz.apps.serve.session import serve


def run(o: argparse.Namespace, words: Sequence[str]) -> int:
    serve(o, words)
    return 0
