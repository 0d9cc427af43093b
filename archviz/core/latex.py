"""Words for TeX: any string becomes text or mathematics that pdflatex, lualatex and xelatex all set.

In: strings of a model or a style.  Out: TeX source, node names, comments.

What is data stays data: TeX's own characters are escaped, signs become commands or mathematics (``3×3`` is
``$3\\times3$``), and a character that LaTeX does not know goes to ``\\avchar``, which sets it where the font has it.
"""
from __future__ import annotations

import re
import unicodedata

from archviz.core.text import clean

ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\char34{}", "`": r"\char96{}",
    # what would join with its neighbour to a dash, a quotation mark or a Spanish mark: see `_JOINS`
    "-": "-{}", "!": "!{}", "?": "?{}", ",": ",{}", "'": "'{}",
}
_JOINS = re.compile(r"([-!?,'])\{\}(?![-,']|\\char96)")     # … and where it would not
SIGNS = {       # set as text
    "–": r"\textendash{}", "—": r"\textemdash{}", "…": r"\textellipsis{}", "•": r"\textbullet{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}", "“": r"\textquotedblleft{}", "”": r"\textquotedblright{}", "ß": r"\ss{}",
    "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}",
    "Ł": r"\L{}", "ı": r"\i{}", "§": r"\S{}", "¶": r"\P{}", "©": r"\copyright{}", "¡": r"!`", "¿": r"?`",
    "†": r"\dag{}", "‡": r"\ddag{}", "\u2010": "-{}", "\u2011": "-{}",
}
MATHS = {       # set as mathematics
    "×": r"\times", "÷": r"\div", "·": r"\cdot", "⋅": r"\cdot", "−": "-", "±": r"\pm", "∓": r"\mp", "⊕": r"\oplus",
    "⊖": r"\ominus", "⊗": r"\otimes", "⊘": r"\oslash", "⊙": r"\odot", "∘": r"\circ", "∗": r"\ast", "★": r"\star",
    "→": r"\rightarrow", "←": r"\leftarrow", "↑": r"\uparrow", "↓": r"\downarrow", "↔": r"\leftrightarrow",
    "⇒": r"\Rightarrow", "⇐": r"\Leftarrow", "⇔": r"\Leftrightarrow", "↦": r"\mapsto", "≤": r"\leq", "≥": r"\geq",
    "≠": r"\neq", "≈": r"\approx", "≡": r"\equiv", "∼": r"\sim", "≪": r"\ll", "≫": r"\gg", "∝": r"\propto",
    "∈": r"\in", "∉": r"\notin", "⊂": r"\subset", "⊆": r"\subseteq", "∪": r"\cup", "∩": r"\cap", "∅": r"\emptyset",
    "∞": r"\infty", "∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∂": r"\partial", "∇": r"\nabla", "√": r"\surd",
    "∀": r"\forall", "∃": r"\exists", "¬": r"\neg", "∧": r"\wedge", "∨": r"\vee", "‖": r"\|", "⋯": r"\cdots",
    "⋮": r"\vdots", "⋱": r"\ddots", "⟨": r"\langle", "⟩": r"\rangle", "⌊": r"\lfloor", "⌋": r"\rfloor",
    "⌈": r"\lceil", "⌉": r"\rceil", "°": r"^\circ", "′": r"^\prime", "µ": r"\mu", "ℓ": r"\ell", "ℝ": r"\mathrm{R}",
    "ϕ": r"\phi", "ϵ": r"\epsilon", "ϑ": r"\vartheta", "ς": r"\varsigma", "ο": "o",
}
_GREEK = ("alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi o pi rho . sigma tau upsilon "
          "varphi chi psi omega").split()
_LATIN_CAPITALS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True))
for _i, _name in enumerate(_GREEK):
    _small, _capital = chr(0x3B1 + _i), chr(0x391 + _i)
    MATHS.setdefault(_small, rf"\{_name}")
    if unicodedata.category(_capital) == "Lu":
        MATHS[_capital] = (rf"\mathrm{{{_LATIN_CAPITALS[_capital]}}}" if _capital in _LATIN_CAPITALS
                           else rf"\{_name.removeprefix('var').capitalize()}")
ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
           "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c"}
# The scripts that Unicode has, with what they stand for.
RAISED = {c: n for c in "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ" for n in [unicodedata.normalize("NFKC", c).replace("−", "-")]}
LOWERED = {c: n for c in "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼᵣᵤᵥ"
           for n in [unicodedata.normalize("NFKC", c).replace("−", "-")]}

_OPERAND = r"(?:\d+(?:\.\d+)?|(?<![^\W\d_])[A-Za-z](?![^\W\d_]))"
_PIECES = re.compile(
    rf"(?P<product>{_OPERAND}?(?:×{_OPERAND})+)"                        # 3×3, H×W×C, ×2
    r"|−(?P<minus>\d+(?:\.\d+)?)"
    r"|√(?P<root>\d+|[A-Za-z](?![^\W\d_]))"                             # √x
    rf"|(?P<base>(?<![^\W\d_])[A-Za-z])?(?P<scripts>[{''.join(RAISED)}{''.join(LOWERED)}]+)"    # h₍ₜ₋₁₎, k²
    r"|(?P<other>.)", re.DOTALL)


def tex(string: str) -> str:
    """`string` as TeX source for running text, in one line.  Never an error, whatever the characters."""
    parts = []
    for piece in _PIECES.finditer(unicodedata.normalize("NFC", clean(string))):
        if product := piece["product"]:
            parts.append("$" + re.sub(r"×(?=[A-Za-z])", r"\\times ", product).replace("×", r"\times") + "$")
        elif minus := piece["minus"]:
            parts.append(f"$-{minus}$")
        elif root := piece["root"]:
            parts.append(rf"$\sqrt{{{root}}}$")
        elif scripts := piece["scripts"]:
            parts.append(f"${piece['base'] or '{}'}{_scripts(scripts)}$")
        else:
            parts.append(_character(piece["other"]))
    return _JOINS.sub(r"\1", "".join(parts))


def _scripts(characters: str) -> str:
    runs: list[tuple[str, str]] = []
    for c in characters:
        sign, plain = ("^", RAISED[c]) if c in RAISED else ("_", LOWERED[c])
        if runs and runs[-1][0] == sign:
            runs[-1] = (sign, runs[-1][1] + plain)
        else:
            runs.append((sign, plain))
    # One of each may stand at a letter; more would be a double superscript, which is an error.
    return "{}".join(f"{sign}{{{plain}}}" if len(plain) > 1 else f"{sign}{plain}" for sign, plain in runs)


def _character(c: str) -> str:
    if c in ESCAPED:
        return ESCAPED[c]
    if " " <= c <= "~":
        return c
    if c in SIGNS:
        return SIGNS[c]
    if c in MATHS:
        return f"${MATHS[c]}$"
    parts = unicodedata.normalize("NFD", c)
    if len(parts) == 2 and parts[0].isascii() and parts[0].isalpha() and parts[1] in ACCENTS:
        letter, accent = parts[0], ACCENTS[parts[1]]
        return rf"\{accent}{{{f'{chr(92)}{letter}' if letter in 'ij' and accent not in 'cd' else letter}}}"
    return rf"\avchar{{{c}}}"


class Names:
    """Names of nodes and styles, each given once: letters, digits and hyphens of what it stands for."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def new(self, string: str, parts: tuple[str, ...] = ("",), instead: str = "node") -> str:
        """A name such that it and it followed by each of `parts` are still free."""
        plain = re.sub("[^A-Za-z0-9]+", "-", clean(string)).strip("-") or instead
        name, number = plain, 1
        while any(name + part in self.taken for part in parts):
            number += 1
            name = f"{plain}-{number}"
        self.taken.update(name + part for part in parts)
        return name
