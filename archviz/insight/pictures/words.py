"""A text with heat behind its words: what each token speaks for, set as the text is read.

In: attributions of tokens, and the words.  Out: a `Scene`.

Each token is a box with its word in it, a named node in TikZ, so that the document's own font sets it.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archviz.core.scene import Box, Group, Mark, Paint, Path, Scene, Text
from archviz.insight.painting import colorbar, colormap
from archviz.insight.painting.colormap import Scale
from archviz.insight.pictures._arrays import chosen, name, over_tokens
from archviz.insight.pictures._board import Board
from archviz.insight.pictures._sentences import of_all, sentences
from archviz.insight.pictures._tokens import Piece, backwards, pieces, spelling, unpadded, words_of
from archviz.style.style import Style

LINE, HIGH = 1.72, 1.42     # from line to line, and of a box, as parts of the font size
SPACE = 0.30                # between words, beside what boxes have inside
INSIDE = 0.07               # of a box, beside its word
BETWEEN = 0.03              # between pieces of one word
BLANK = 0.5                 # a space that is a token, or a part of one
PARAGRAPH = 0.9             # between paragraphs
LENGTH = 130.0              # of the colour bar, in printed points


def draw(shown: Sequence[Any], style: Style, *, words: Sequence[Any] = (), samples: Sequence[int] | None = None,
         limit: float | str | None = None, names: Sequence[str] = ()) -> Scene:
    """One paragraph for each map and sample.

    Parameters
    ----------
    shown : sequence of Attribution
        With maps (N, L) over tokens.
    words : sequence of str, or of sequences of str
        The tokens, of one sample or of each, as the tokenizer spells them.  Without them their ids are shown.

    Raises
    ------
    ArchvizError
        Where there is no map over tokens, and for another number of words than tokens.
    """
    count = len(over_tokens(shown[0])[1]) if shown else 0
    most = count
    while True:
        board, width, y, scales = _paragraphs(shown, style, words, chosen(count, samples, most), limit, names)
        if y <= board.room[1] or samples is not None or most <= 1:
            break
        most = max(1, min(most - 1, int(most * board.room[1] / y)))
    title = f"{shown[0].title}, {shown[0].target}"
    return board.scene(width, y, title, [*sentences(shown, scales), of_all(most, count, samples)])


def _paragraphs(shown: Sequence[Any], style: Style, words: Sequence[Any], which: Sequence[int],
                limit: float | str | None, names: Sequence[str]) -> tuple[Board, float, float, list[Scale]]:
    """A paragraph for each map and sample, a bar below those that share one; width, height and scales."""
    board = Board(style)
    methods, targets = ({getattr(one, what) for one in shown} for what in ("title", "target"))
    y = width = 0.0
    scales: list[Scale] = []
    for k, one in enumerate(shown):
        ids, maps = over_tokens(one)
        alike = [over_tokens(other)[1][which] for other in shown if _kind(other) == _kind(one)]
        on = colormap.scale(alike, style.heat, one.signed, limit, one.unit)
        for i in which:
            head = ", ".join(filter(None, (one.title if len(methods) > 1 else "",
                                           one.target if len(targets) > 1 else "", name(i, len(which), names))))
            if head:
                y += board.size("heading")
                head = board.fit(head, "heading", board.room[0])
                width = max(width, board.width(head, "heading"))
                board.text(0, y, head, "heading")
                y += 0.45 * board.size("heading")
            spelt = spelling(words_of(one, words, i, maps.shape[1]), i, ids, maps.shape[1])
            tokens = pieces(spelt[:unpadded(spelt)])
            wide, y = _paragraph(board, tokens, maps[i], on, y, f"{one.method} {i}")
            y, width = y + PARAGRAPH * board.size("heading"), max(width, wide)
        following = shown[k + 1] if k + 1 < len(shown) else None
        if following is None or _kind(following) != _kind(one):
            scales.append(on)
            drawn = colorbar.flat(on, min(LENGTH, 0.8 * board.room[0]), style)
            width = max(width, drawn.width)
            board.bar(drawn, drawn.before, y)
            y += drawn.height + (1.4 * board.size("heading") if following is not None else 0.0)
    return board, width, y, scales


def _kind(one: Any) -> tuple[Any, ...]:
    """What maps that share a bar have in common."""
    return one.title, one.unit, one.signed


def _paragraph(board: Board, tokens: Sequence[Piece], values: Any, on: Scale, top: float,
               key: str) -> tuple[float, float]:
    """The tokens in lines as wide as the page, from `top`; how wide they are, and where the last ends."""
    size, (room, _) = board.size("on heat"), board.room
    turned = backwards(tokens)
    line: list[tuple[float, float, int]] = []       # left, width, which token
    lines = [line]
    x = 0.0
    for i, piece in enumerate(tokens):
        wide = _wide(board, piece, room)
        gap = 0.0 if not line else size * (SPACE if piece.apart else BETWEEN)
        ahead = wide + sum(_wide(board, tokens[j], room) for j in _rest(tokens, i)) if piece.apart else wide
        if line and (x + gap + wide > room or (x + gap + ahead > room and ahead <= 0.5 * room)):
            line, x, gap = [], 0.0, 0.0
            lines.append(line)
        line.append((x + gap, wide, i))
        x += gap + wide
        if piece.ends and i + 1 < len(tokens):
            line, x = [], 0.0
            lines.append(line)
    used = max(left + wide for each in lines for left, wide, _ in each[-1:])
    for row, each in enumerate(lines):
        for left, wide, i in each:
            at = used - left - wide if turned else left
            _token(board, tokens[i], at, top + row * LINE * size, wide, float(values[i]), on, f"{key}/{i}")
    return used, top + (len(lines) - 1) * LINE * size + HIGH * size


def _rest(tokens: Sequence[Piece], first: int) -> range:
    """The pieces that go on with the word that begins at `first`."""
    last = first + 1
    while last < len(tokens) and not tokens[last].apart and not tokens[last].blank and not tokens[last - 1].ends:
        last += 1
    return range(first + 1, last)


def _wide(board: Board, piece: Piece, room: float) -> float:
    size = board.size("on heat")
    words = BLANK * size * piece.blank if piece.blank else board.width(piece.words, "on heat")
    return min(max(words, 0.3 * size) + 2 * INSIDE * size, room)


def _token(board: Board, piece: Piece, x: float, y: float, wide: float, value: float, on: Scale, key: str) -> None:
    """One box with its word; a space as the sign ␣, which fonts do not have."""
    size = board.size("on heat")
    tint = board.tint(on, value)
    ink = board.ink(tint)
    marks: list[Mark] = [Box(x, y, wide, HIGH * size, tint, 0.14 * size)]
    base = y + HIGH * size / 2 + 0.35 * size
    if piece.blank:
        board.tints[f"{ink} space"] = Paint(stroke=board.style.roles[ink].color, stroke_width=0.5)
        for k in range(piece.blank):
            a = x + (INSIDE + BLANK * (k + 0.15)) * size
            b = a + 0.7 * BLANK * size
            marks.append(Path((("M", (a, base - 0.16 * size)), ("L", (a, base)), ("L", (b, base)),
                               ("L", (b, base - 0.16 * size))), f"{ink} space"))
    else:
        words = board.fit(piece.words, "on heat", wide - 2 * INSIDE * size + 0.01, middle=True)
        marks.append(Text(x + wide / 2, base, words, ink, "middle"))
    tip = f"{piece.words}: {colormap.number(value)}"
    board.marks.append(Group(tuple(marks), "token", key, tip))
