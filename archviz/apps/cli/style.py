"""``archviz style show``: a style with all it extends, as one YAML file.

In: the answers of the command line.  Out: YAML on stdout.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable

from archviz.apps.cli.run import Outcome
from archviz.apps.request.arguments import settings
from archviz.apps.request.catalogue import show
from archviz.core.progress import Step
from archviz.figure.options import Options


def prepare(o: argparse.Namespace) -> Callable[[Step], Outcome]:
    yaml = show(Options.of(style=o.style, settings=settings(o.set), theme=o.theme))
    return lambda step: Outcome(printed=yaml.removesuffix("\n"))
