"""``.. modelsandmethods::``: which method runs on which model, as the tests check it (``tests/real_models.py``).

In: the tests' table.  Out: a table of methods by models, with the reasons under it.
"""
from __future__ import annotations

import sys
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from archviz.core.plugins import names

ROOT = Path(__file__).resolve().parents[2]


class ModelsAndMethods(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        if str(ROOT) not in sys.path:
            sys.path.append(str(ROOT))
        from tests.real_models import MODELS, REASONS, SHORT

        self.env.note_dependency(str(ROOT / "tests" / "real_models.py"))
        reasons = dict.fromkeys((*REASONS.values(), *SHORT.values()))
        letters = {reason: chr(ord("a") + n) for n, reason in enumerate(reasons)}

        def cell(model: str, method: str) -> str:
            if (model, method) in REASONS:
                return letters[REASONS[model, method]]
            return f"✓ {letters[SHORT[model, method]]}" if (model, method) in SHORT else "✓"

        rows = [["", *MODELS], *([f"``{method}``", *(cell(model, method) for model in MODELS)]
                                 for method in names("methods"))]
        lines = [".. list-table::", "   :header-rows: 1", "   :stub-columns: 1", "   :class: settings", ""]
        for row in rows:
            lines += [f"   {'* -' if n == 0 else '  -'} {text}" for n, text in enumerate(row)]
        lines += ["", *(f"| {letter}: {reason}" for reason, letter in letters.items())]
        made = nodes.container()
        self.state.nested_parse(StringList(lines, self.name), 0, made)
        return made.children


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("modelsandmethods", ModelsAndMethods)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
