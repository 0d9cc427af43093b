"""Layer by layer, what a network makes of one input: the picture, the maps of each layer as tiles, the scores.

In: a recording with values, and the figure whose boxes are the layers.  Out: a `Scene`.

After the strip of Stanford's CS231n (Karpathy) and the figures of Zeiler & Fergus (2014): columns from left to right,
one row below the other where the page is too narrow.  Each layer has a colour scale of its own, which stands below it.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10, sqrt
from typing import Any

import numpy as np

from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.scene import Box, Group, Scene
from archviz.insight.painting import colorbar, colormap
from archviz.insight.painting.colormap import Pixels, Scale
from archviz.insight.painting.pixels import shrunk
from archviz.insight.pictures._activations import Activation, layers, scored
from archviz.insight.pictures._arrays import chosen
from archviz.insight.pictures._board import FINE, LEADING, Board
from archviz.insight.pictures._photo import photo
from archviz.style.style import Style

ACROSS = 2                      # tiles side by side in one layer
ROWS = 8                        # of tiles in one layer, where nobody says how many
GAP, APART, BELOW = 1.6, 8.0, 9.0      # between tiles, between layers, between rows of layers; printed points
LARGEST, LEAST = 64.0, 32.0     # how wide a layer's column may be
SLIM, HIGH = 0.82, 0.4          # how high it is where layers have more than two rows: of its width, or of the page
SHARES = {"picture": 1.35, "scores": 1.5, "vector": 0.8}        # of a column, where a layer of tiles has 1
STRIP, LONG = 9.0, 128          # how wide a vector is, and from how many numbers on it goes on beside itself
SCORES, TOP = 10, 5             # so many classes are all shown, and else the best
PITCH = 1.2                     # from score to score at least, as a part of the font size
FEW = 64                        # pixels a side up to which they are seen as cells


def draw(shown: Sequence[Any], style: Style, *, figure: Any = None, nodes: str = "*", channels: int | None = None,
         sample: int = 0, names: Mapping[int, str] | Sequence[str] = (), images: Mapping[str, Any] | None = None,
         limit: float | str | None = None, mean: Sequence[float] = (), std: Sequence[float] = ()) -> Scene:
    """A column for each layer: its first channels as tiles, a vector as a strip, the last vector as bars.

    Parameters
    ----------
    shown : sequence of Recording
        The first of them has the values.
    figure : Figure, optional
        Of the same model: its boxes are the layers, in its words, so that ``depth`` and the like say which there are.
        Without one every operation is a layer.
    nodes : str
        A glob on the ids of the layers to show.
    channels : int, optional
        So many tiles for each layer, the first ones; by default up to 16, as the page has room.
    names : mapping or sequence of str
        What the classes are called.
    images : mapping, optional
        Input id → the pixels (N, C, H, W) that the input was made of, to be shown in its place.

    Raises
    ------
    ArchvizError
        Where no values were kept, and for no such layer, sample or number of channels.
    """
    if channels is not None and channels < 1:
        raise ArchvizError(f"{channels} channels are no picture", "give a number from 1 on")
    one = shown[0]
    sample = chosen(min((len(values) for values in one.maps.values()), default=1), [sample])[0]
    shown_layers = layers(one, style, figure, nodes, sample)
    photos = {key: photo(np.asarray(values)[sample], mean, std) for key, values in (images or {}).items()
              if np.ndim(values) == 4}
    last = scored(shown_layers)
    columns = [_column(layer, style, limit, layer is last, photos, mean, std) for layer in shown_layers]
    named = dict(names.items() if isinstance(names, Mapping) else enumerate(names))
    board = Board(style)
    sizes = _sizes(board, columns, channels)
    width = height = 0.0
    for band in sizes.bands:
        wide, height = _band(board, sizes, band, height, named)
        width, height = max(width, wide), height + BELOW
    of = figure.graph.name if figure is not None else ""
    title = f"{one.title}{f' of {of}' if of else ''}, layer by layer"
    return board.scene(width, height - BELOW, title, _sentences(title, columns, sizes, named))


@dataclass(frozen=True)
class Column:
    """One layer as it is drawn: a ``picture``, ``tiles``, a ``table``, a ``vector`` or ``scores``."""

    layer: Activation
    form: str
    scale: Scale
    photo: Pixels | None = None

    @property
    def share(self) -> float:
        return SHARES.get(self.form, 1.0)

    @property
    def flat(self) -> float:
        """Height of a tile, as a part of its width."""
        return float(self.layer.values.shape[1] / self.layer.values.shape[2]) if self.form == "tiles" else 0.0


@dataclass(frozen=True)
class Sizes:
    """How large all is: `unit`, the width of a column of share 1; `rows` of tiles; `tall`, the height of a row's cell;
    `most` tiles of a layer and `best` classes are shown."""

    bands: Sequence[Sequence[Column]]
    unit: float
    rows: int
    tall: float
    most: int
    best: int = 0

    @property
    def side(self) -> float:
        return (self.unit - (ACROSS - 1) * GAP) / ACROSS

    @property
    def high(self) -> float:
        return self.rows * (self.tall + GAP) - GAP


def _column(layer: Activation, style: Style, limit: float | str | None, last: bool, photos: Mapping[str, Pixels],
            mean: Sequence[float], std: Sequence[float]) -> Column:
    form = "scores" if last else "picture" if layer.picture else {"map": "tiles"}.get(layer.form, layer.form)
    maps = {**style.heat, "unsigned": style.heat.get("maps", style.heat["unsigned"])}
    on = colormap.scale(layer.values, maps, bool((layer.values < 0).any()), limit)
    image = photos.get(layer.id, photo(layer.values, mean, std)) if form == "picture" else None
    return Column(layer, form, on, image)


def _sizes(board: Board, columns: Sequence[Column], channels: int | None) -> Sizes:
    """As few rows of layers as hold their words, as large as they go, with as many tiles as then have room."""
    room, high = board.room
    bands, unit = _bands(board, columns)
    sizes = Sizes(bands, unit, 1, 0.0, 0)
    tallest = max((column.flat for column in columns), default=0.0) or 1.0
    sizes = replace(sizes, tall=sizes.side * min(1.0, tallest))
    most = max((len(one.layer.values) for one in columns if one.form == "tiles"), default=ACROSS * ROWS)
    wanted = ceil(min(channels or ACROSS * ROWS, most) / ACROSS)
    for rows in range(wanted, 0, -1):
        sizes = replace(sizes, rows=rows, most=min(channels or rows * ACROSS, rows * ACROSS))
        sizes = replace(sizes, best=_best(board, sizes, columns[-1]))
        tall = sum(_head(board, sizes, band) + sizes.high + _foot(board, sizes, band) + BELOW for band in bands) - BELOW
        if tall <= high and (channels or rows <= 2 or tall <= max(SLIM * room, HIGH * high)):
            return sizes
    raise DoesNotFit(f"the activations of {len(columns)} layers do not fit on one page",
                     "show some of them, --nodes 'layer1*', fewer with --depth 1, or --channels 2")


def _bands(board: Board, columns: Sequence[Column]) -> tuple[list[list[Column]], float]:
    """The rows of layers, as few as hold their words, and how wide a column of share 1 then is."""
    room = board.room[0]
    words = [(word, "heading") for column in columns for line in column.layer.words for word in line.split()]
    words += [(column.layer.size, "note") for column in columns]
    least = min(max(LEAST, *(colorbar.WIDER * board.width(word, role) - 0.8 * APART for word, role in words)), LARGEST)
    for count in range(1, len(columns) + 1):
        bands = _divided(columns, count)
        unit = min(min((room - APART * (len(band) - 1)) / sum(one.share for one in band) for band in bands), LARGEST)
        if unit >= least or count == len(columns):
            break
    return bands, unit


def _best(board: Board, sizes: Sizes, last: Column) -> int:
    """How many classes are shown: all if they are few and have room, else the best."""
    count, fitting = len(last.layer.values), int(sizes.high / (PITCH * board.size("note")))
    return count if count <= min(SCORES, fitting) else max(1, min(TOP, fitting))


def _divided(columns: Sequence[Column], count: int) -> list[list[Column]]:
    """Into so many rows, nearly equally long."""
    whole, done = sum(column.share for column in columns), 0.0
    bands: list[list[Column]] = [[] for _ in range(count)]
    for column in columns:
        bands[min(int(count * (done + column.share / 2) / whole), count - 1)].append(column)
        done += column.share
    return [band for band in bands if band]


def _head(board: Board, sizes: Sizes, band: Sequence[Column]) -> float:
    """The height of the words above the columns of a row."""
    return max(sum(LEADING * board.size(role) for _, role in _lines(board, sizes, column)) for column in band) + 1.5


def _lines(board: Board, sizes: Sizes, column: Column) -> list[tuple[str, str]]:
    """What stands above a layer, line by line: (words, role)."""
    room = (column.share * sizes.unit + 0.8 * APART) / colorbar.WIDER
    lines = [(line, "heading") for line in _balanced(board, " ".join(column.layer.words), "heading", room, 3)]
    if column.layer.more:
        lines += [(line, "note") for line in _balanced(board, column.layer.more, "note", room, 2)]
    size = column.layer.size        # which the words of a vector may say
    return lines if size in " ".join(column.layer.words).split() else [*lines, (board.fit(size, "note", room), "note")]


def _balanced(board: Board, words: str, role: str, room: float, most: int) -> list[str]:
    """The words in as few lines as the room allows, nearly equally long."""
    lines = board.lines(words, role, room, most)
    for part in range(19, 9, -1):
        narrower = board.lines(words, role, room * part / 20, most)
        if len(narrower) > len(lines) or " ".join(narrower) != " ".join(lines):
            break
        lines = narrower
    return lines


def _foot(board: Board, sizes: Sizes, band: Sequence[Column]) -> float:
    """The height of what stands below the columns of a row: what is left out, the bars."""
    note = LEADING * board.size("note") if any(_left_out(sizes, column) for column in band) else 0.0
    return note + _bars(board, band) + 3.0


def _bars(board: Board, band: Sequence[Column]) -> float:
    """The height of the bars below a row."""
    return max((colorbar.flat(replace(column.scale, clipped=0.0), 40.0, board.style, 3).height
                for column in band if column.form not in ("picture", "scores")), default=0.0)


def _left_out(sizes: Sizes, column: Column) -> str:
    """What says that not all is shown."""
    count = len(column.layer.values)
    if column.form == "scores":
        return f"{sizes.best} of {count}" if count > sizes.best else ""
    return f"{sizes.most} of {count}" if column.form == "tiles" and count > sizes.most else ""


def _band(board: Board, sizes: Sizes, band: Sequence[Column], y: float, names: Mapping[int, str],
          ) -> tuple[float, float]:
    """One row of layers from `y` on; its width, and where it ends."""
    head, foot = _head(board, sizes, band), _foot(board, sizes, band)
    top, x = y + head, 0.0
    for column in band:
        wide, layer, start = column.share * sizes.unit, column.layer, len(board.marks)
        lines = _lines(board, sizes, column)
        at = top - 1.5 - sum(LEADING * board.size(role) for _, role in lines)
        if column.form == "picture":
            at += max(0.0, (sizes.high - _tall(column, wide, sizes.high)) / 2)
        for line, role in lines:
            at += LEADING * board.size(role)
            board.text(x + wide / 2, at - 0.25 * board.size(role), line, role, "middle")
        end = _drawn(board, sizes, column, x, top, wide, names) + LEADING * board.size("note")
        board.text(x + wide / 2, end - 0.2 * board.size("note"), _left_out(sizes, column), "note", "middle")
        if column.form not in ("picture", "scores"):
            _bar(board, column.scale, x, top + sizes.high + foot - _bars(board, band), wide)
        marks = tuple(board.marks[start:])
        del board.marks[start:]
        board.marks.append(Group(marks, "maps", layer.id, f"{' '.join(layer.words)}: {layer.size}"))
        x += wide + APART
    return x - APART, top + sizes.high + foot


def _tall(column: Column, wide: float, high: float) -> float:
    pixels = column.photo
    return min(high, wide * pixels.shape[0] / pixels.shape[1]) if pixels is not None else high


def _drawn(board: Board, sizes: Sizes, column: Column, x: float, top: float, wide: float, names: Mapping[int, str],
           ) -> float:
    """What a layer gave, in a place as wide as `wide` and as high as the sizes say; where it ends."""
    values, high = column.layer.values, sizes.high
    if column.form == "scores":
        return _scores(board, values, sizes.best, x, top, wide, high, names)
    if column.photo is not None:
        tall = _tall(column, wide, high)
        broad = tall * column.photo.shape[1] / column.photo.shape[0]
        board.image(x + (wide - broad) / 2, top + (high - tall) / 2, broad, tall, column.photo,
                    cells=max(column.photo.shape[:2]) <= FEW)
    elif column.form == "tiles":
        return _tiles(board, sizes, column, x, top)
    elif column.form == "table":
        board.image(x, top, wide, high, column.scale.rgb(shrunk(values, LONG)), cells=True)
    else:
        cells, broad = _strip(values, wide, high)
        broad = min(wide, max(broad, STRIP))
        pixels = np.where(np.isfinite(cells)[..., None], column.scale.rgb(cells), np.uint8(255))
        board.image(x + (wide - broad) / 2, top, broad, high, pixels, cells=True)
    return top + high


def _tiles(board: Board, sizes: Sizes, column: Column, x: float, top: float) -> float:
    """The first channels, row by row; where they end."""
    side, values = sizes.side, column.layer.values[:sizes.most]
    broad = side * min(1.0, sizes.tall / (side * column.flat))
    for i, one in enumerate(values):
        row, place = divmod(i, ACROSS)
        pixels = column.scale.rgb(shrunk(one, max(FEW, ceil(FINE * side))))
        board.image(x + place * (side + GAP) + (side - broad) / 2, top + row * (sizes.tall + GAP), broad,
                    broad * column.flat, pixels, cells=max(pixels.shape[:2]) <= FEW)
    return top + ceil(len(values) / ACROSS) * (sizes.tall + GAP) - GAP


def _strip(values: Any, wide: float, high: float) -> tuple[Any, float]:
    """A vector as a column of cells; a long one as several, the last filled up with NaN.  And how wide they are."""
    rows = min(len(values), max(LONG, ceil(sqrt(len(values) * high / wide))))
    beside = ceil(len(values) / rows)
    cells = np.pad(values.astype(np.float64), (0, rows * beside - len(values)), constant_values=np.nan)
    return cells.reshape(beside, rows).T, beside * high / rows


def _scores(board: Board, values: Any, best: int, x: float, top: float, wide: float, high: float,
            names: Mapping[int, str]) -> float:
    """A bar for each class, or for the best, with its name and its number; the largest stands out.  Where they end."""
    scores = np.nan_to_num(values, nan=-np.inf)
    which = range(len(values)) if best == len(values) else [int(i) for i in np.argsort(-scores, kind="stable")[:best]]
    shown = np.nan_to_num(values[list(which)])
    size = board.size("note")
    called = [board.fit(names.get(i, str(i)), "note", 0.42 * wide) for i in which]
    numbers = colormap.labels(shown.tolist(), 10.0 ** (floor(log10(abs(shown).max() or 1.0)) - 2))
    left, right = (max(board.width(word, "note") for word in words) + 2.5 for words in (called, numbers))
    pitch = min(high / len(shown), 2.4 * size)
    thick = min(0.62 * pitch, size)
    low, most = min(0.0, shown.min()), max(0.0, shown.max())
    step = (wide - left - right) / ((most - low) or 1.0)
    zero = x + left - low * step
    y = top + (high - pitch * len(shown)) / 2
    for k, i in enumerate(which):
        middle, value = y + (k + 0.5) * pitch, float(shown[k])
        board.text(x + left - 2.5, middle + 0.35 * size, called[k], "note", "end")
        board.text(x + wide, middle + 0.35 * size, numbers[k], "note", "end")
        if abs(value) * step > 0.05:
            role = "score best" if i == int(scores.argmax()) else "score"
            board.marks.append(Box(zero + min(value, 0.0) * step, middle - thick / 2, abs(value) * step, thick, role))
    board.line([(zero, y), (zero, y + pitch * len(shown))], "bar")
    return y + pitch * len(shown)


def _bar(board: Board, on: Scale, x: float, y: float, wide: float) -> None:
    """The colour bar of a layer, in the middle below it."""
    plain, length = replace(on, clipped=0.0), wide
    drawn = colorbar.flat(plain, length, board.style, 3)
    if drawn.width > wide + 0.3 * APART:      # numbers at its ends stand out
        length -= drawn.width - wide - 0.3 * APART
        drawn = colorbar.flat(plain, length, board.style, 3)
    board.bar(drawn, x + (wide - length) / 2, y)


def _sentences(title: str, columns: Sequence[Column], sizes: Sizes, names: Mapping[int, str]) -> Iterator[str]:
    """The caption."""
    forms = {column.form for column in columns}
    tiles = [column for column in columns if column.form == "tiles"]
    yield (f"{title}: what the network makes of one input, from left to right"
           + (" and row by row" if len(sizes.bands) > 1 else ""))
    if any(_left_out(sizes, column) for column in tiles):
        yield f"Of each layer of feature maps the first {sizes.most} channels are shown, or all where there are no more"
    if any(column.layer.deep for column in columns):
        yield "Of volumes the slice in the middle is shown"
    if any(column.layer.copies > 1 for column in columns):
        yield "Where one layer stands for several equal ones, it shows what the last of them gives"
    if "vector" in forms:
        yield "A vector is a strip that is read downwards"
    if "table" in forms:
        yield "In what is no map rows are places, such as tokens, and columns their channels"
    scales = [column.scale for column in columns if column.form not in ("picture", "scores")]
    if scales:
        cut = max(on.clipped for on in scales)
        yield ("Each layer has a colour scale of its own, the bar below it"
               + (f"; at most {colormap.percent(cut)} of its values lie beyond the end" if cut else ""))
    if "scores" in forms:
        values = columns[-1].layer.values
        best = int(np.nan_to_num(values, nan=-np.inf).argmax())
        largest = ", ".join(filter(None, (names.get(best, ""), colormap.number(float(values[best])))))
        those = f"{sizes.best} largest of the " if sizes.best < len(values) else ""
        yield f"Bars are the {those}{len(values)} values that come out, the largest that of class {best} ({largest})"
