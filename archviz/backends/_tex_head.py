"""What stands around the marks of a TikZ picture: what it needs, its colours, styles and macros, its document.

In: a `Scene`, the roles that its marks use, the lines that draw them.  Out: the text of the file.
"""
from __future__ import annotations

import re
from collections.abc import Iterable

from archviz.backends import _tex_image as images
from archviz.backends._number import number
from archviz.core.latex import Names
from archviz.core.scene import Paint, Scene
from archviz.core.text import clean

LEADING = 1.22      # height of a line of a label, as a part of its font size
INSIDE = 0.93       # of a box's width may be words
WIDE = 110          # a longer line is broken


class Sheet:
    """The roles that a picture uses, each with its style's name, and the colours that those name."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.colours: dict[str, str] = {}           # name → rrggbb
        self.styles: dict[str, str] = {}            # av/<role> → keys
        self._given: dict[tuple[str, str], str] = {}
        self._names, self._shades = Names(), Names()
        self.lines = self.cuboids = False           # are there labels with lines in several roles, are there cuboids?

    def outline(self, role: str) -> str:
        """The style that fills and strokes as `role` says."""
        return self._style(role, "outline")

    def words(self, role: str) -> str:
        """The style that sets text as `role` says."""
        return self._style(role, "words")

    def _style(self, role: str, use: str) -> str:
        if (role, use) not in self._given:
            paint = self.scene.paint(role)
            name = "av/" + self._names.new(role, instead="role").replace("-", " ")
            self._given[role, use] = name
            self.styles[name] = self._words(role, paint) if use == "words" else self._outline(role, paint)
        return self._given[role, use]

    def _outline(self, role: str, paint: Paint) -> str:
        keys = []
        fill = self._shade(role, "fill", paint.fill)
        if paint.hatch:
            if fill:
                keys.append(f"preaction={{fill={fill}}}")
            keys.append(f"pattern={paint.hatch}")
            lines = (self._shade(role, "hatch", paint.hatch_color) or self._shade(role, "stroke", paint.stroke)
                     or "black")
            keys.append(f"pattern color={lines}")
        elif fill:
            keys.append(f"fill={fill}")
        if stroke := self._shade(role, "stroke", paint.stroke):
            keys += [f"draw={stroke}", f"line width={number(paint.stroke_width)}pt"]
            if paint.dash:
                dash = paint.dash * (1 + len(paint.dash) % 2)       # as in SVG, an odd one goes round twice
                keys.append("dash pattern=" + " ".join(
                    f"{('on', 'off')[i % 2]} {number(part)}pt" for i, part in enumerate(dash)))
            if paint.cap != "butt":
                keys.append(f"line cap={paint.cap}")
        if paint.opacity < 1:
            keys += [f"opacity={number(paint.opacity)}", "text opacity=1"]
        return ", ".join(keys)

    def _words(self, role: str, paint: Paint) -> str:
        keys = [f"av/size={number(paint.size)}", f"text={self._shade(role, 'words', paint.color)}"]
        font = (r"\bfseries\boldmath" if paint.weight == "bold" else "") + (r"\itshape" if paint.italic else "")
        if font:
            keys.insert(1, f"font={font}")
        if paint.opacity < 1:
            keys.append(f"text opacity={number(paint.opacity)}")
        return ", ".join(keys)

    def _shade(self, role: str, use: str, colour: str | None) -> str:
        """The name of a colour; a role that is derived from another takes the other's, so that they change as one."""
        if colour is None:
            return ""
        base, _, part = role.rpartition(" ")
        if base and role not in self.scene.sheet and use != "words":
            below = self.scene.paint(base)
            colours = {"fill": below.fill, "stroke": below.stroke, "hatch": below.hatch_color}
            if part == "head" and use == "fill" and below.stroke == colour:
                return self._shade(base, "stroke", colour)
            if colours[use] == colour:
                return self._shade(base, use, colour)
        if (role, f"colour {use}") not in self._given:
            name = self._shades.new(f"av-{role}" + {"stroke": "-line", "hatch": "-hatch"}.get(use, ""))
            self._given[role, f"colour {use}"] = name
            self.colours[name] = colour.removeprefix("#").upper()
        return self._given[role, f"colour {use}"]


def scale(size: float) -> float:
    """How much ``\\avfont`` enlarges LaTeX's font for a size that LaTeX has not."""
    return size / (12 if size > 11 else max(5, min(10, int(size + 0.5))))


MACROS = r"""
% A font of any size from one that every installation has, scaled; so no size is ever replaced by another.
\def\avfont#1{\mdseries\upshape
  \pgfmathtruncatemacro\avint{#1>11 ? 12 : max(5,min(10,round(#1)))}\fontsize{\avint}{\avint}\selectfont
  \baselineskip=1.22\dimexpr\avint pt\relax \pgfmathsetmacro\avscale{#1/\avint}\def\avsize{#1}}
% A label: scaled to its size, never wider than its room, its last baseline where av/base says.
\def\avscale{1}\def\avsize{0}
\def\avset{%
  \ifdim\avscale pt=1pt \else\setbox0\hbox{\scalebox{\avscale}{\box0}}\fi
  \ifdim\wd0>\avroom\relax \setbox0\hbox{\resizebox{\avroom}{\height}{\box0}}\fi
  \ifdefined\avbase\else\edef\avbase{.35\dimexpr\avsize pt\relax}\fi
  \dimen0=\avbase\relax \ifdim\dimen0<0pt \ht0=0pt \dp0=-2\dimen0 \else\ht0=2\dimen0 \dp0=0pt \fi \box0 }
\medmuskip=1mu % so that 3x3 is no wider than in text
""".strip("\n")

LINE = r"""
% A line of a label in a style of its own: \avline{sublabel}{12 heads}
\def\avline#1#2{{\let\avouter\avscale \expandafter\let\csname tikz@textfont\endcsname\relax \tikzset{av/#1}%
  \csname tikz@node@textfont\endcsname\csname tikz@textfont\endcsname \color{\csname tikz@textcolor\endcsname}%
  \pgfmathsetmacro\avscale{\avscale/\avouter}\scalebox{\avscale}{#2}}}
""".strip("\n")

CHARACTER = r"""
% A character that only some fonts have: as itself where it can be set, else a question mark.
\def\avchar#1{\ifdefined\Umathchar\iffontchar\font`#1 #1\else ?\fi
  \else\ifcsname u8:\detokenize{#1}\endcsname{\def\TextSymbolUnavailable##1{?}#1}\else ?\fi\fi}
""".strip("\n")

STYLES = r"""
  % av/box={width}{height}{corner}: a node of that size; av/base: how far its last line's baseline lies below its middle
  av/box/.style n args = {3}{av/text=#1, anchor=center, minimum width=#1pt, minimum height=#2pt,
                             rounded corners=#3pt, av/room=INSIDE\dimexpr#1pt\relax},
  av/circle/.style     = {av/box={#1}{#1}{0}, circle},
  av/base/.code        = {\def\avbase{#1pt}},
  % av/text=width: a line of text, set no wider than that
  av/text/.style       = {inner sep=0pt, outer sep=0pt, anchor=base, align=center, av/room=#1pt,
                          execute at begin node={\setbox0\hbox\bgroup}, execute at end node={\egroup\avset}},
  av/room/.code        = {\dimen0=#1\relax \edef\avroom{\the\dimen0}},
  av/size/.style       = {node font=\avfont{#1}},
""".strip("\n").replace("INSIDE", str(INSIDE))

ARROW = r"""
  % av/arrow=length: an arrow with a head of that length
  av/arrow/.style      = {-{Stealth[length=#1pt, width=0.84*#1pt, inset=0.2*#1pt, line width=0pt]}},
""".strip("\n")

CUBOID = r"""
  % av/cuboid={role}{along}{down}{back}: a box in parallel projection, by three edges from its front's top left corner;
  % av/bands=from/to/role,...: parts of its thickness in other roles; av/hidden=part: the edges behind are dashed, the
  % upper part of the upright one seen through the top.
  % (name) is its front, (name-in) and (name-out) are the centres of its left and right side, (name-top) of its top.
  pics/av/cuboid/.style n args = {4}{code={\avcuboid{#1}(#2)(#3)(#4)}},
  av/bands/.code       = {\def\avbands{#1}},
  av/hidden/.code      = {\def\avbehind##1{\avdashed{##1}{#1}}},
""".strip("\n")

CUBOID_MACRO = r"""
% A cuboid: its edges are the units, so that (1,0.5,0.5) is the centre of its right side.
\def\avbands{}
\def\avbehind#1{}
\def\avdashed#1#2{\path[av/#1 hidden] (0,1,1) -- (0,1,0); \path[av/#1 hidden] (0,1,1) -- (1,1,1);
  \ifdim#2pt<1pt \path[av/#1 hidden] (0,1,1) -- (0,#2,1);\fi
  \ifdim#2pt=0pt \else\path[av/#1 hidden] (0,#2,1) -- (0,0,1);\fi}
\def\avcuboid#1(#2,#3)(#4,#5)(#6,#7){%
  \begin{scope}[x={(#2pt,{-1*#3pt})}, y={(#4pt,{-1*#5pt})}, z={(#6pt,{-1*#7pt})}]
    \def\avtop##1##2##3{\path[av/##3 top] (##1,0,0) -- (##2,0,0) -- (##2,0,1) -- (##1,0,1) -- cycle;}
    \def\avfront##1##2##3{\path[av/##3] (##1,0,0) -- (##2,0,0) -- (##2,1,0) -- (##1,1,0) -- cycle;}
    \def\aveach##1{\ifx\avbands\empty\else\foreach \a/\b/\role in \avbands {##1}\fi}
    \avtop{0}{1}{#1}%
    \gdef\avend{#1}\aveach{\avtop{\a}{\b}{\role}\ifdim\b pt<1pt \else\global\let\avend\role\fi}
    \path[av/\avend\space side] (1,0,0) -- (1,0,1) -- (1,1,1) -- (1,1,0) -- cycle;
    \avfront{0}{1}{#1}\aveach{\avfront{\a}{\b}{\role}}
    \avbehind{#1}
    \path (0,0.5,0.5) coordinate (-in) (1,0.5,0.5) coordinate (-out) (0.5,0,0.5) coordinate (-top)
      (0.5,0.5,0) node[inner sep=0pt, outer sep=0pt, minimum width=abs(#2pt)+abs(#4pt),
                       minimum height=abs(#3pt)+abs(#5pt)] () {};
  \end{scope}}
""".strip("\n")


def file(scene: Scene, sheet: Sheet, body: list[str], standalone: bool) -> str:
    """The whole .tex file."""
    drawn = "\n".join(body)
    size = f"({number(scene.width)},{number(scene.height)})"
    lines = [r"\begin{tikzpicture}[x=1pt, y=-1pt, line join=round]", *_setup(sheet, drawn), "",
             rf"\path[use as bounding box] (0,0) rectangle {size};", drawn.lstrip("\n"),
             r"\end{tikzpicture}" + ("" if standalone else "%")]
    if standalone:
        lines = [r"\documentclass{article}", r"\usepackage{tikz}", *_libraries(sheet, drawn),
                 r"\usepackage[active,tightpage]{preview}", r"\PreviewEnvironment{tikzpicture}",
                 r"\setlength\PreviewBorder{0pt}", rf"\setlength\textwidth{{{number(scene.width)}pt}}",
                 r"\begin{document}", *lines, r"\end{document}"]
    return "\n".join([_comment(scene, sheet, drawn), *lines]) + "\n"


ARROWS, PATTERNS = LIBRARIES = ("arrows.meta", "patterns")
"""The libraries of TikZ that a picture may need."""


def _libraries(sheet: Sheet, drawn: str) -> list[str]:
    wanted = [name for name, used in (
        (ARROWS, "av/arrow" in drawn),
        (PATTERNS, any("pattern color=" in keys for keys in sheet.styles.values()))) if used]
    return [rf"\usetikzlibrary{{{','.join(wanted)}}}"] if wanted else []


def _comment(scene: Scene, sheet: Sheet, drawn: str) -> str:
    title = clean(scene.title) or "A figure"
    filled = [name for name, keys in sheet.styles.items()       # a kind, not the colour of one layer
              if keys.startswith("fill=") and name != "av/background" and not re.search(r" heat [0-9a-f]{6}", name)]
    role = next((name for name in ("av/conv", "av/linear", *filled) if name in filled), "av/background")
    colour = re.sub(".*fill=([^,]*).*", r"\1", sheet.styles.get(role, "fill=av-background"))
    needs = " ".join([r"\usepackage{tikz}", *_libraries(sheet, drawn)])
    return "\n".join([
        f"% {title}, drawn by {clean(scene.facts.get('generator', 'archviz'))}: "
        f"{number(scene.width)} pt wide, {number(scene.height)} pt high.",
        f"%   needs       {needs}",
        r"%   draw again  archviz MODEL -o THIS.tex   (this file is then replaced; what your preamble says stays)",
        rf"%   restyle     \tikzset{{av/user/.style={{{role}/.append style={{fill=red!20}}}}}}   in the preamble;",
        rf"%               or a colour of it: \definecolor{{{colour}}}{{HTML}}{{FFCC00}}",
        r"%   add to it   \tikzset{av/user/.style={execute at end picture={\draw[red] (NODE.east) -- +(20,0);}}}",
        "% Lengths are printed points, y grows downwards.  Behind each layer stands the path of its module.",
    ])


def _setup(sheet: Sheet, drawn: str) -> list[str]:
    """Colours, macros, styles; the author's own come last and win."""
    lines = ["% colours"]
    wide = max(map(len, sheet.colours), default=0)
    lines += [rf"\providecolor{{{name}}}{' ' * (wide - len(name))}{{HTML}}{{{rgb}}}"
              for name, rgb in sheet.colours.items()]
    words = r"\node" in drawn
    parts = ((MACROS, words), (LINE, sheet.lines), (CHARACTER, r"\avchar" in drawn), (CUBOID_MACRO, sheet.cuboids),
             (images.MACRO, r"\avimage" in drawn), (r"\tikzset{", True), (STYLES, words),
             (ARROW, "av/arrow" in drawn), (CUBOID, sheet.cuboids), ("  % how each role looks", True))
    lines += [part for part, used in parts if used]
    wide = max(map(len, sheet.styles), default=0)
    lines += [f"  {name}/.style{' ' * (wide - len(name))} = {{{keys}}}," for name, keys in sheet.styles.items()]
    return [*lines, "  av/user/.try}    % what your preamble says"]


def aligned(lines: Iterable[str]) -> list[str]:
    """The lines, a long one broken between its points."""
    rows = []
    for line in lines:
        code, *remark = re.split(r"(?<!\\)(?= % )", line, maxsplit=1)       # the first % that is not escaped ends it
        while len(code) > WIDE and (at := code.rfind(" -- ", 20, WIDE)) > 0:
            rows.append(code[:at])
            code = "   " + code[at:]
        rows.append("".join([code, *remark]))
    return rows
