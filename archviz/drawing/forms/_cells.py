"""The inside of recurrent cells: which glyphs, joined by which lines, where.

In: a few facts of a cell.  Out: `Wiring`, a table: it says what the cell computes, and its drawing is made of nothing
else.

Places are in steps of a grid, from the top left corner of the cell to the right and down; a form turns steps into
printed points.  The equations are those of PyTorch's documentation of LSTM, GRU and RNN.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

from archviz.core.scene import Point

MINUS = "t−1"


@dataclass(frozen=True, slots=True)
class Glyph:
    """One step of the computation, at the centre (x, y).

    op      ``port``, where a line crosses the border: x from below, ``h in`` and ``c in`` from the left, ``h out`` and
            ``c out`` to the right, y above, which is the new h again; ``join`` (h and x laid end to end); ``gate`` (a
            linear map with bias of h and x, and then `label`); ``linear`` (a linear map with bias of what enters);
            ``act`` (`label`, number by number); ``mul``, ``add``; ``rest`` (one minus)
    label   what stands in it
    value   what its output is called, and the tooltip's left side
    tip     its equation's right side
    """

    name: str
    op: str
    x: float
    y: float
    label: str = ""
    value: str = ""
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Wire:
    """A line from `src` to `dst` by way of `via`.

    A `fork` begins at the first point of `via`, where another line from `src` passes.  A line with a `gap` is broken
    where it crosses others.  A `state` line carries h or c.
    """

    src: str
    dst: str
    via: tuple[Point, ...] = ()
    fork: bool = False
    gap: bool = False
    state: bool = False


@dataclass(frozen=True)
class Wiring:
    """A cell: `width` × `height` grid steps, its glyphs and lines."""

    width: float
    height: float
    glyphs: tuple[Glyph, ...]
    wires: tuple[Wire, ...]

    def at(self, name: str) -> Point:
        """Where a glyph is."""
        return next((g.x, g.y) for g in self.glyphs if g.name == name)


def _gate(gate: str, act: str, x: float, y: float, bias: bool) -> Glyph:
    """With its linear part as PyTorch writes it."""
    from_x, from_h = (f" + b_i{gate}", f" + b_h{gate}") if bias else ("", "")
    linear = f"W_i{gate} x_t{from_x} + W_h{gate} h_{{{MINUS}}}{from_h}"
    return Glyph(gate, "gate", x, y, act, f"{gate}_t", f"{act}({linear})")


def rnn(act: str = "tanh", bias: bool = True) -> Wiring:
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh), or ReLU in the place of tanh."""
    width, line, low = 3.4, 1.5, 2.9
    gate = replace(_gate("h", act, 1.75, line, bias), value="")
    return Wiring(width, low, (
        Glyph("x", "port", 0.45, low), Glyph("h in", "port", 0.0, line), Glyph("h out", "port", width, line),
        Glyph("y", "port", 2.95, 0.0), Glyph("hx", "join", 0.7, line), gate,
    ), (
        Wire("h in", "hx", state=True), Wire("x", "hx", ((0.45, line),)), Wire("hx", "h"),
        Wire("h", "h out", state=True), Wire("h", "y", ((2.7, line), (2.95, line)), fork=True, state=True),
    ))


def lstm(bias: bool = True, projected: bool = False) -> Wiring:
    """c_t = f ⊙ c_{t−1} + i ⊙ g,  h_t = o ⊙ tanh(c_t), and `projected`: h_t = W_hr (o ⊙ tanh(c_t)).

    c on top, h below; four gates read h and x.
    """
    width, bottom = 6.35, 5.6
    cell, act, times, gates, bus = 0.8, 1.85, 2.85, 3.9, 4.8
    last, up = 5.2, 5.9
    out = "r" if projected else "m"
    glyphs = [
        Glyph("x", "port", 0.45, bottom), Glyph("h in", "port", 0.0, bus), Glyph("c in", "port", 0.0, cell),
        Glyph("h out", "port", width, bus), Glyph("c out", "port", width, cell), Glyph("y", "port", up, 0.0),
        Glyph("hx", "join", 0.7, bus),
        _gate("f", "σ", 1.2, gates, bias), _gate("i", "σ", 2.2, gates, bias),
        _gate("g", "tanh", 3.2, gates, bias), _gate("o", "σ", 4.2, gates, bias),
        Glyph("forget", "mul", 1.2, cell, tip=f"f_t ⊙ c_{{{MINUS}}}"),
        Glyph("enter", "mul", 3.2, 2.6, tip="i_t ⊙ g_t"),
        Glyph("c", "add", 3.2, cell, tip=f"c_t = f_t ⊙ c_{{{MINUS}}} + i_t ⊙ g_t"),
        Glyph("a", "act", last, act, "tanh", tip="tanh(c_t)"),
        Glyph("m", "mul", last, times, tip=("" if projected else "h_t = ") + "o_t ⊙ tanh(c_t)"),
    ]
    if projected:
        glyphs.append(Glyph("r", "linear", last, gates, "W", tip="h_t = W_hr (o_t ⊙ tanh(c_t))"))
    wires = [
        Wire("c in", "forget", state=True), Wire("forget", "c", state=True), Wire("c", "c out", state=True),
        Wire("h in", "hx", state=True), Wire("x", "hx", ((0.45, bus),)),
        Wire("hx", "f", ((0.9, bus), (1.2, bus)), fork=True), Wire("hx", "i", ((1.9, bus), (2.2, bus)), fork=True),
        Wire("hx", "g", ((2.9, bus), (3.2, bus)), fork=True), Wire("hx", "o", ((4.2, bus),)),
        Wire("f", "forget"), Wire("i", "enter", ((2.2, 2.6),)), Wire("g", "enter"), Wire("enter", "c"),
        Wire("c", "a", ((last - 0.3, cell), (last, cell)), fork=True), Wire("a", "m"),
        Wire("o", "m", ((4.2, times),)), *([Wire("m", "r")] if projected else []),
        Wire(out, "h out", ((last, bus),), state=True),
        Wire(out, "y", ((up - 0.3, bus), (up, bus)), fork=True, gap=True, state=True),
    ]
    return Wiring(width, bottom, tuple(glyphs), tuple(wires))


def gru(bias: bool = True) -> Wiring:
    """n_t = tanh(W_in x_t + b_in + r_t ⊙ (W_hn h_{t−1} + b_hn)),  h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{t−1}.

    PyTorch multiplies with the reset gate r after the matrix product, not before it as Cho et al. (2014) do: so the two
    products are glyphs of their own, and only r and z read h and x joined.
    """
    width, bottom = 6.95, 6.0
    line, rest, new, gates, bus, below = 0.8, 1.85, 2.95, 4.1, 5.0, 5.45
    trunk, update, reset, total, last, up = 0.4, 1.65, 3.85, 4.85, 5.9, 6.5
    b_i, b_h = (" + b_in", " + b_hn") if bias else ("", "")
    n = f"tanh(W_in x_t{b_i} + r_t ⊙ (W_hn h_{{{MINUS}}}{b_h}))"
    return Wiring(width, bottom, (
        Glyph("x", "port", 0.85, bottom), Glyph("h in", "port", 0.0, line), Glyph("h out", "port", width, line),
        Glyph("y", "port", up, 0.0), Glyph("hx", "join", 1.1, bus),
        _gate("z", "σ", update, gates, bias), _gate("r", "σ", reset, gates, bias),
        Glyph("keep", "mul", update, line, tip=f"z_t ⊙ h_{{{MINUS}}}"),
        Glyph("hn", "linear", 2.75, new, "W", tip=f"W_hn h_{{{MINUS}}}{b_h}"),
        Glyph("in", "linear", total, gates, "W", tip=f"W_in x_t{b_i}"),
        Glyph("reset", "mul", reset, new, tip=f"r_t ⊙ (W_hn h_{{{MINUS}}}{b_h})"),
        Glyph("sum", "add", total, new, tip=n[5:-1]),
        Glyph("n", "act", last, new, "tanh", "n_t", n),
        Glyph("rest", "rest", 3.0, rest, "1−", tip="1 − z_t"),
        Glyph("new", "mul", last, rest, tip="(1 − z_t) ⊙ n_t"),
        Glyph("h", "add", last, line, tip=f"h_t = (1 − z_t) ⊙ n_t + z_t ⊙ h_{{{MINUS}}}"),
    ), (
        Wire("h in", "keep", state=True), Wire("keep", "h", state=True), Wire("h", "h out", state=True),
        Wire("h", "y", ((up - 0.3, line), (up, line)), fork=True, state=True),
        Wire("h in", "hx", ((trunk - 0.3, line), (trunk, line), (trunk, bus)), fork=True, state=True),
        Wire("h in", "hn", ((trunk, new - 0.3), (trunk, new)), fork=True, gap=True, state=True),
        Wire("x", "hx", ((0.85, bus),)),
        Wire("x", "in", ((0.85, below + 0.3), (0.85, below), (total, below)), fork=True),
        Wire("hx", "z", ((update - 0.3, bus), (update, bus)), fork=True), Wire("hx", "r", ((reset, bus),)),
        Wire("z", "keep"), Wire("z", "rest", ((update, rest + 0.3), (update, rest)), fork=True), Wire("rest", "new"),
        Wire("r", "reset"), Wire("hn", "reset"), Wire("reset", "sum"), Wire("in", "sum"), Wire("sum", "n"),
        Wire("n", "new"), Wire("new", "h"),
    ))
