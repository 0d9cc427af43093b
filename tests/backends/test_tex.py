"""TikZ: what is written compiles without a word of complaint, is the SVG's drawing to a hundredth of a point, carries
the figure's words, obeys the author's preamble, and takes whatever names a model has for data."""
from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path as File

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from archviz.backends import _tex_engine, tex
from archviz.core.errors import ArchvizError
from archviz.core.latex import tex as escaped
from archviz.core.scene import (
    Box,
    Circle,
    Core,
    Cuboid,
    Group,
    Image,
    Link,
    Mark,
    Paint,
    Path,
    Scene,
    Text,
    lower,
    lowered,
    polygon,
)
from archviz.core.text import clean, width
from tests import gallery, latex
from tests.backends.test_backends import ASKEW, HOSTILE, SHEET, check_cells, picture, quartered
from tests.conftest import ROOT, Run
from tests.figure.test_approved import NAMES
from tests.figure.test_zoo import WIDTHS, figure
from tests.pdf_ops import Page, pages

HUNDREDTH = 0.0101      # and what pdfTeX's own arithmetic adds, less than a thousandth

HOSTILE_TEX = [
    *HOSTILE, r"\write18{touch owned}", "}{", "%", "^^M", "^^5cinput{/etc/passwd}", "{{{", "}}}", "$$", "$x", "#1",
    "&&", "~", "_^", r"\\", r"\end{tikzpicture}", r"\input{|ls}", "]", "[", "[1pt] x", ";", "(a) -- (b)", ",=,",
    '"`', "--- ''", "?`!`", "<<>>", "é ñ ç Å ĵ Ł ß", "αβγ ΔΩ ΑΒ", "層.0 畳み込み", "Привет", "🙂", "a\u0301\u0327",
    "×⊕−·→≤∞√x", "1/√x", "hₜ₋₁ k²", "\u2028\u2029", "* x", "\\\n\n", "fi ffl", "\u0661"]

# How Computer Modern has these characters; an underscore is a rule.
AS_SET = str.maketrans({'"': "”", "'": "’", "`": "‘", "^": "ˆ", "~": "\u0303", "_": ""})

placed = st.floats(-100, 500)
sized = st.floats(0.1, 200)
at = st.tuples(placed, placed)
edge = st.tuples(st.floats(1, 90), st.floats(1, 90))
words = st.one_of(st.text(max_size=8), st.sampled_from(HOSTILE_TEX))
roles = st.sampled_from(["conv", "add", "edge"])
commands = st.lists(st.one_of(
    st.tuples(st.just("L"), at), st.tuples(st.just("C"), st.tuples(*[placed] * 6)), st.just(("Z", ()))), max_size=6)
marks = st.recursive(
    st.one_of(
        st.builds(Box, placed, placed, sized, sized, roles, st.floats(0, 9)),
        st.builds(Circle, placed, placed, sized, roles),
        st.builds(Link, st.lists(at, max_size=5).map(tuple), st.sampled_from(["edge", "add"]), st.floats(0, 9),
                  st.booleans(), st.floats(1, 9)),
        st.builds(Text, placed, placed, words, st.sampled_from(["label", "strong"]),
                  st.sampled_from(["start", "middle", "end"]), st.floats(-180, 180)),
        st.builds(lambda start, more, role: Path((("M", start), *more), role), at, commands, roles),
        st.builds(Cuboid, placed, placed, edge, edge, edge, st.just("conv"), hidden=st.booleans(),
                  bands=st.lists(st.tuples(st.floats(0, 0.5), st.sampled_from([0.7, 1.0]), st.just("add")),
                                 max_size=2).map(tuple))),
    lambda inner: st.builds(Group, st.lists(inner, max_size=4).map(tuple), st.sampled_from(["conv", "frame", "link"]),
                            st.one_of(st.text("ab.-/@0", max_size=4), words)),
    max_leaves=12)


def scene(*many: Mark, width: float = 144.54, height: float = 72.27) -> Scene:
    return Scene(many, SHEET, width, height, "A title", "What it shows")


FIGURE = scene(
    Group((Box(4, 4, 92.5, 64, "add", 2), Text(8, 11, "Stage ×3", "strong")), "frame", "layer1"),
    Group((Link(((40, 30.3), (40, 50), (90, 50), (90, 60)), "edge"),), "link", edge=("layer1.0", "layer1.1")),
    Group((Box(10, 14, 60, 16.3, "conv", 2), polygon([(10, 27), (70, 27), (70, 30.3), (10, 30.3)], "add"),
           Text(40, 23, "3×3 conv, 64", "label", "middle")), "conv", "layer1.0"),
    Group((Circle(90, 64.5, 4.5, "add"), Path((("M", (87, 64.5)), ("L", (93, 64.5))), "edge"),
           Path((("M", (90, 61)), ("L", (90, 68))), "edge")), "add", "layer1/add"),
    Group((Cuboid(105, 30, (9, 0), (0, 30), (12, -10), "conv", ((0.7, 1.0, "add"),)),
           Text(109, 68, "64", "label", "middle")), "conv", "layer2.0"))


def code(source: bytes) -> str:
    """The source without comments."""
    return re.sub(r"(?<!\\)%.*", "", source.decode())


def flat(many: Sequence[Mark]) -> Iterator[Core]:
    """Every core mark, out of its groups, as the lowered scene draws it."""
    for mark in many:
        for core in lower(mark):
            if isinstance(core, Group):
                yield from flat(core.marks)
            else:
                yield core


# ------------------------------------------------------------------------------------------------ the source

@given(st.lists(marks, max_size=6).map(tuple))
def test_any_scene_is_well_formed(many: tuple[Mark, ...]) -> None:
    written = tex.render(scene(*many))
    plain = re.sub(r"\\.", "", code(written))
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    names = re.findall(r"^\\(?:node|pic)\S*(?: .*?)? \(([^()]*)\) at ", code(written), re.MULTILINE)
    assert len(names) == len(set(names)) and all(re.fullmatch("[A-Za-z0-9-]+", name) for name in names)
    assert written == tex.render(scene(*many))


def test_a_layer_is_one_line_with_its_path() -> None:
    lines = tex.render(FIGURE).decode().splitlines()
    assert (r"\node[av/conv, av/label, av/box={60}{16.3}{2}, av/base=0.85] (layer1-0) at (40,22.15) "
            r"{$3\times3$ conv, 64}; % layer1.0") in lines
    assert r"\node[av/add, av/circle=9] (layer1-add) at (90,64.5) {}; % layer1/add" in lines
    assert (r"\draw[av/edge, av/arrow=3.2, rounded corners=2pt] (40,30.3) -- (40,50) -- (90,50) -- (90,60); "
            r"% layer1.0->layer1.1") in lines
    assert (r"\pic[av/hidden=0.3333, av/bands={0.7/1/add}] (layer2-0) at (105,30) "
            r"{av/cuboid={conv}{9,0}{0,30}{12,-10}}; % layer2.0") in lines
    assert r"\path[av/edge] (87,64.5) -- (93,64.5) (90,61) -- (90,68);" in lines


def test_the_head_says_what_is_needed_and_who_wrote_it() -> None:
    first, second, *_ = tex.render(FIGURE).decode().splitlines()
    assert first.startswith("% A title") and "archviz" in first
    assert second.endswith(r"\usepackage{tikz} \usetikzlibrary{arrows.meta}")
    hatched = replace(FIGURE, sheet={**SHEET, "conv": Paint("#ffffff", "#000000", hatch="dots")})
    assert rb"\usetikzlibrary{arrows.meta,patterns}" in tex.render(hatched)
    assert rb"\usetikzlibrary" not in tex.render(scene(Box(1, 1, 5, 5, "conv")))


def test_numbers_are_short() -> None:
    many = (Box(1 / 3, -1e-9, 1e-3, 7.10, "conv"), Circle(1 / 3, 2 / 3, 1 / 7, "add"))
    assert not re.search(r"\d\.\d{3}", code(tex.render(scene(*many))).split("use as bounding box")[1])


@pytest.mark.parametrize(("string", "source"), [
    ("3×3 conv, 64, /2", r"$3\times3$ conv, 64, /2"), ("112×112×64", r"$112\times112\times64$"), ("×2", r"$\times2$"),
    ("N×d", r"$N\times d$"), ("N × d", r"N $\times$ d"), ("√x", r"$\sqrt{x}$"), ("1/√x", r"1/$\sqrt{x}$"),
    ("hₜ₋₁", "$h_{t-1}$"), ("k²", "$k^2$"), ("−3", "$-3$"), ("a−b", "a$-$b"), ("é", r"\'{e}"), ("í", r"\'{\i}"),
    ("a_b", r"a\_b"), ("a--b", "a-{}-b"), ("don't", "don't"), ("λ ⊕ μ", r"$\lambda$ $\oplus$ $\mu$"),
    ("層.0", r"\avchar{層}.0"), ("x^2", r"x\textasciicircum{}2"), ("", ""), ("\\", r"\textbackslash{}")])
def test_words_are_set_as_an_author_would(string: str, source: str) -> None:
    assert escaped(string) == source


def test_nodes_with_ids_alike_have_names_of_their_own() -> None:
    many = [Group((Circle(5, 5, 2, "add"),), "conv", node) for node in ("a.b", "a/b", "a-b", "層", "", "a.b-2")]
    many += [Group((Cuboid(0, 0, (1, 0), (0, 1), (1, -1), "conv"),), "conv", node) for node in ("c", "c-in", "c")]
    names = re.findall(r" \((\S*)\) at", code(tex.render(scene(*many))))
    assert names == ["a-b", "a-b-2", "a-b-3", "node", "a-b-2-2", "c", "c-in-2", "c-2"]


def test_a_role_without_paint_is_named() -> None:
    with pytest.raises(ArchvizError, match="no role 'cube'"):
        tex.render(scene(Box(1, 1, 2, 2, "cube side")))


def test_another_process_writes_the_same_bytes() -> None:
    script = ("import hashlib; from tests.backends.test_backends import FIGURE; from archviz.backends import tex\n"
              "print(hashlib.sha256(tex.render(FIGURE)).hexdigest())")
    runs = {subprocess.run([sys.executable, "-c", script], env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": "."},
                           capture_output=True, text=True, check=True, cwd=ROOT).stdout for seed in ("1", "2")}
    assert len(runs) == 1


# ------------------------------------------------------------------------------------------------ geometry


def subpaths(steps: Sequence[tuple[str, tuple[float, ...]]]) -> list[np.ndarray]:
    """The points of each part of a path, ends and controls alike; where a closed one begins makes no difference."""
    parts: list[list[tuple[float, float]]] = []
    for letter, n in steps:
        if letter == "M" or (letter != "Z" and not parts):
            parts.append([])
        parts[-1] += list(zip(n[::2], n[1::2], strict=True)) if n else []
    return [np.array(part) for part in parts]


def of_scene(drawn: Scene) -> list[tuple[str, np.ndarray]]:
    """(colours and width, points) of every part of every path, in order: what the SVG writes, before it rounds."""
    found = []
    for mark in flat(drawn.marks):
        if isinstance(mark, Path):
            paint = drawn.paint(mark.role)
            ink = f"{paint.fill or 'none'} {f'{paint.stroke} {paint.stroke_width:.2f}' if paint.stroke else 'none'}"
            if ink != "none none":
                found += [(ink, part) for part in subpaths(mark.commands) if len(part) > 1]
    return found


def of_pdf(page: Page) -> list[tuple[str, np.ndarray]]:
    def colour(rgb: tuple[float, ...]) -> str:
        return "#" + "".join(f"{round(255 * v):02x}" for v in rgb)

    found = []
    for outline in page.outlines:
        fill = colour(outline.fill) if outline.paint in "fB" else "none"
        ink = f"{fill} {colour(outline.stroke)} {outline.width:.2f}" if outline.paint in "SB" else f"{fill} none"
        found += [(ink, part) for part in subpaths(outline.steps) if len(part) > 1]
    return found


def same(ours: list[tuple[str, np.ndarray]], theirs: list[tuple[str, np.ndarray]], within: float) -> None:
    """Both paint the same: in one order, in the same colours, each point in its place."""
    assert [ink for ink, _ in ours] == [ink for ink, _ in theirs]
    for (ink, a), (_, b) in zip(ours, theirs, strict=True):
        apart = np.abs(a[:, None, :] - b[None, :, :]).max(axis=2)
        assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < within, (ink, a, b)


def check_geometry(page: Page, drawn: Scene) -> None:
    """The PDF paints the SVG's paths and no others, and sets each line of text where the SVG has it."""
    background = drawn.sheet.get("background")
    same(of_pdf(page)[bool(background and background.fill):], of_scene(drawn), HUNDREDTH)
    for mark in flat(drawn.marks):
        if isinstance(mark, Text) and escaped(mark.string) and not mark.rotate:
            line = [word for word in page.words if abs(word.y - mark.y) < 1.5 * HUNDREDTH]
            wide = width(mark.string, drawn.paint(mark.role).size, drawn.paint(mark.role).weight)
            before = {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor]
            assert any(mark.x - 1.5 * before * wide - 0.4 < word.x < mark.x - 0.2 * before * wide + 0.4
                       for word in line), (mark, line)


def test_the_drawing_is_the_svgs_to_a_hundredth_of_a_point(tmp_path: File) -> None:
    some = [FIGURE, scene(Box(10, 10, 40, 20, "conv", 10), Box(60.333, 10.444, 20.111, 8.667, "add", 3),
                          Box(100, 5, 8, 8, "conv", 4), Group((Box(110, 5, 8, 8, "conv", 9),), "conv", "round"),
                          Link(((10, 40), (30, 40), (30, 43), (60, 43)), "edge", 2.5),
                          Link(((10, 50), (13, 50)), "edge"), Link(((10, 60), (40, 60)), "edge", arrow=False),
                          Path((("M", (70, 40)), ("C", (80, 30, 90, 50, 100, 40)), ("L", (100, 60)), ("Z", ())),
                               "conv"))]
    done = latex.together([tex.render(one) for one in some], tmp_path)
    assert not done.complaints
    for one, page in zip(some, pages(done.pdf.read_bytes()), strict=True):
        check_geometry(page, one)


@settings(max_examples=2, phases=[Phase.generate])    # to shrink what TeX sets takes minutes
@given(many=st.lists(st.lists(marks, max_size=5).map(tuple), min_size=15, max_size=15))
def test_rich_marks_are_drawn_as_their_lowered_ones(
        many: list[tuple[Mark, ...]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever is drawn, natively and in core marks alone it is the same drawing; and TeX stops at no name."""
    scenes = [scene(*one) for one in many]
    done = latex.together([tex.render(one) for s in scenes for one in (s, lowered(s))], tmp_path_factory.mktemp("law"))
    assert done.code == 0, done.complaints
    for rich, core in zip(*[iter(pages(done.pdf.read_bytes()))] * 2, strict=True):
        same(of_pdf(rich), of_pdf(core), 2 * HUNDREDTH)    # each is rounded for itself
        assert sorted(w.codes for w in rich.words) == sorted(w.codes for w in core.words)


def test_a_rounded_box_stays_one_beside_another_outline(tmp_path: File) -> None:
    (box,) = lower(Box(20, 10, 40, 30, "conv", 5.0))
    (circle,) = lower(Circle(90, 25, 12, "conv"))
    assert isinstance(box, Path) and isinstance(circle, Path)
    both, apart = scene(Path((*box.commands, *circle.commands), "conv")), scene(box, circle)
    done = latex.together([tex.render(one) for one in (both, apart)], tmp_path)
    joined, lone = (np.concatenate([points for _, points in of_pdf(page)]) for page in pages(done.pdf.read_bytes()))
    reach = np.abs(joined[:, None] - lone[None]).max(axis=2)
    assert max(reach.min(axis=0).max(), reach.min(axis=1).max()) < HUNDREDTH


def test_rich_and_lowered_look_alike(tmp_path: File) -> None:
    solid = {role: replace(paint, dash=()) for role, paint in SHEET.items()}    # where dashes begin may differ
    hatched = {**solid, "conv": Paint("#eeeeee", "#000000", hatch="crosshatch", opacity=0.7)}
    some = [replace(FIGURE, sheet=sheet) for sheet in (solid, hatched)]
    done = latex.together([tex.render(one) for s in some for one in (s, lowered(s))], tmp_path)
    assert not done.complaints
    for i in range(len(some)):
        rich, core = done.pixels(2 * i), done.pixels(2 * i + 1)
        assert rich.shape == core.shape and (np.abs(rich - core).max(axis=2) > 64).mean() < 0.002
        assert (rich.max(axis=2) < 200).mean() > 0.03       # and it is no empty page
    assert (np.abs(done.pixels(0) - done.pixels(2)).max(axis=2) > 64).mean() > 0.01     # hatches are seen


# ------------------------------------------------------------------------------------------------ pictures

def photograph(side: int, alpha: bool = False) -> bytes:
    """A smooth picture with some noise, of more colours than a table holds."""
    down, across = np.mgrid[:side, :side] * 255 // side
    noise = np.random.default_rng(0).integers(0, 24, (side, side))
    parts = [across, down, (across + noise) // 2] + ([np.full((side, side), 128)] if alpha else [])
    out = io.BytesIO()
    Picture.fromarray(np.stack(parts, -1).astype(np.uint8)).save(out, "png")
    return out.getvalue()


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex", "xelatex"])
def test_pictures_are_in_the_file_and_land_where_the_svg_has_them(engine: str, tmp_path: File) -> None:
    """Upright, askew and upside down, with no file beside it."""
    images = [replace(image, png=quartered()) for image in ASKEW]
    one = replace(scene(*images), sheet={"image": Paint(), "background": Paint(fill="#ffffff")})
    written = tex.render(one)
    assert b"includegraphics" not in written and max(map(len, written.splitlines())) < 125
    source = f"{latex.PREAMBLE}\\begin{{document}}\\input{{figure}}\\end{{document}}"
    done = latex.compiled(source, tmp_path, engine, figure=written)
    assert done.code == 0 and not done.complaints
    check_cells(done.pixels(0, dpi=289.08), 4, images)
    listed = subprocess.run(["pdfimages", "-list", done.pdf], capture_output=True, text=True, check=True).stdout
    assert len(re.findall(r"image +4 +4 .*\[inline\]", listed)) == 3


def test_a_picture_follows_what_the_author_does_to_the_figure(tmp_path: File) -> None:
    images = [replace(image, png=quartered()) for image in ASKEW]
    one = replace(scene(*images), sheet={"image": Paint(), "background": Paint(fill="#ffffff")})
    twice = r"\tikzset{every picture/.style={scale=2}}"
    done = latex.together([tex.render(one)], tmp_path, before=twice)
    assert done.code == 0 and not done.complaints
    check_cells(done.pixels(0, dpi=289.08), 8, images)


def test_a_picture_is_as_fine_as_its_print_and_keeps_its_colours(tmp_path: File) -> None:
    """A large photograph is resampled and packed as JPEG; half of one that is half transparent is the page's colour;
    the paint's opacity counts, too."""
    faint = {"image": Paint(), "faint": Paint(opacity=0.5), "background": Paint(fill="#ffffff")}
    large, clear = photograph(600), photograph(200, alpha=True)
    many = [Image(0, 0, 72.27, 72.27, *what) for what in ((large,), (clear,), (large, "faint"))]
    some = [replace(scene(one), sheet=faint) for one in many]
    files = [tex.render(one) for one in some]
    assert re.search(rb"/W 300 /H 300 .*/DCT", files[0]) and re.search(rb"/W 200 /H 200 ", files[1])
    assert max(map(len, files)) < 300_000
    done = latex.together(files, tmp_path)
    assert done.code == 0 and not done.complaints
    seen = Picture.open(io.BytesIO(large)).convert("RGB").resize((144, 144), Picture.Resampling.BOX)
    wanted = np.asarray(seen).astype(float)
    for i, half in enumerate((False, True, True)):
        drawn = done.pixels(i)[:144, :144]
        assert np.abs(drawn - ((255 + wanted) / 2 if half else wanted)).mean() < 4


def test_what_writes_no_pdf_shows_a_grey_area(tmp_path: File) -> None:
    (tmp_path / "main.tex").write_bytes(tex.render(scene(Image(1, 2, 30, 40, picture())), standalone=True))
    done = subprocess.run(["latex", "-interaction=nonstopmode", "main.tex"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0 and (tmp_path / "main.dvi").stat().st_size
    assert b"/AHx" not in (tmp_path / "main.dvi").read_bytes()


# ------------------------------------------------------------------------------------------------ whole figures

APPROVED = [f"{name}-{width}" for name in NAMES for width in WIDTHS]
GALLERY = [(name, width, theme) for name in gallery.FIGURES for width in gallery.WIDTHS for theme in gallery.THEMES]


def test_every_form_is_drawn_as_in_the_svg_at_every_width_in_colour_and_in_greys(tmp_path: File) -> None:
    done = latex.together([gallery.figure(*key).render("tex") for key in GALLERY], tmp_path)
    assert done.code == 0 and not done.complaints
    for key, page, size in zip(GALLERY, pages(done.pdf.read_bytes()), done.sizes(), strict=True):
        wanted = gallery.figure(*key).scene
        assert size == pytest.approx((wanted.width, wanted.height), abs=0.1), key
        if not key[2]:      # a hatch is a tile, whose lines are no strokes of the page
            check_geometry(page, wanted)


@pytest.mark.parametrize("name", gallery.FIGURES)
def test_every_drawn_layer_of_every_form_is_a_named_node(name: str) -> None:
    drawn = gallery.figure(name)
    source = drawn.render("tex").decode()
    named = set(re.findall(r"^\\(?:node|pic).* \([A-Za-z0-9-]+\) at .*[^\\]% (.*)$", source, re.MULTILINE))
    bare = {mark.node for mark in drawn.scene.marks if isinstance(mark, Group) and not mark.marks}
    ids = {clean(node.id) for node in drawn.drawn.nodes if node.id not in bare}
    assert len(ids) > 2 and ids <= named, ids - named


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory) -> tuple[latex.Document, list[Page]]:
    done = latex.together([figure(key).render("tex") for key in APPROVED], tmp_path_factory.mktemp("approved"))
    return done, pages(done.pdf.read_bytes())


def test_every_approved_figure_compiles_without_a_complaint(approved: tuple[latex.Document, list[Page]]) -> None:
    done, _ = approved
    assert done.code == 0 and not done.complaints
    assert len(done.sizes()) == len(APPROVED)


@pytest.mark.parametrize("key", APPROVED)
def test_an_approved_figure_has_its_size_its_words_and_its_geometry(
        key: str, approved: tuple[latex.Document, list[Page]]) -> None:
    done, drawn = approved
    i, wanted = APPROVED.index(key), figure(key).scene
    assert done.sizes()[i] == pytest.approx((wanted.width, wanted.height), abs=0.1)
    read = done.words()[i]
    for mark in flat(wanted.marks):
        if isinstance(mark, Text):
            assert unicodedata.normalize("NFKC", re.sub(r"\s", "", mark.string)).replace("−", "-") in read.replace(
                "−", "-"), mark.string
    check_geometry(drawn[i], wanted)


def test_no_label_is_wider_than_the_room_it_was_given(approved: tuple[latex.Document, list[Page]]) -> None:
    """Computer Modern is wider than the fonts the layout measured: it is squeezed, but stays readable."""
    squeezed = [word.squeezed for page in approved[1] for word in page.words]
    assert min(squeezed) > 0.75 and np.mean(squeezed) > 0.95


# ------------------------------------------------------------------------------------------------ hostile names

def test_any_name_is_data(tmp_path: File) -> None:
    some = [scene(Group((Box(5, 5, 100, 20, "conv"), Text(55, 17, name, "label", "middle"),
                         Text(55, 22, name, "strong", "middle")), "conv", name, name), Text(5, 50, name, "label"))
            for name in HOSTILE_TEX]
    some = [replace(one, title=name, facts={"generator": name}) for one, name in zip(some, HOSTILE_TEX, strict=True)]
    done = latex.together([tex.render(one) for one in some], tmp_path)
    assert done.code == 0 and not [line for line in done.complaints if "Warning" not in line]
    assert len(done.sizes()) == len(HOSTILE_TEX) and not (tmp_path / "owned").exists()
    read = done.words()
    for name, page in zip(HOSTILE_TEX, read, strict=False):
        if name.strip() and name.isascii() and name.isprintable():
            assert page.count(re.sub(r"\s", "", name).translate(AS_SET)) == 3, name


def test_a_character_that_latex_does_not_know_is_one_where_the_font_has_it(tmp_path: File) -> None:
    one = tex.render(scene(Text(5, 20, "層Ж", "label")))
    known = r"\DeclareUnicodeCharacter{5C64}{KANJI}"
    done = latex.together([one], tmp_path, before=known)
    assert not done.complaints and done.words()[0] == "KANJI?"


# ------------------------------------------------------------------------------------------------ the author's own

def test_the_preamble_restyles_every_figure(tmp_path: File) -> None:
    plain, styled, coloured = (tmp_path / name for name in ("plain", "styled", "coloured"))
    for folder in (plain, styled, coloured):
        folder.mkdir()
    two = [tex.render(FIGURE), tex.render(replace(FIGURE, sheet={**SHEET, "conv": Paint("#00ff00", "#553300")}))]
    user = r"\tikzset{av/user/.style={av/conv/.append style={fill=red!20}, av/label/.append style={text=blue}}}"
    own = r"\definecolor{av-conv}{HTML}{0000FF}"
    before = of_pdf(pages(latex.together(two, plain).pdf.read_bytes())[0])
    assert any(ink.startswith("#ee9900 ") for ink, _ in before)
    for said, folder, fill in ((user, styled, "#ffcccc"), (own, coloured, "#0000ff")):
        done = latex.together(two, folder, before=said)
        assert not done.complaints
        for page in pages(done.pdf.read_bytes()):
            after = of_pdf(page)
            # Only what is filled as a convolution has changed, and everything stands where it stood.
            changed = {(a.split()[0], b.split()[0]) for (a, _), (b, _) in zip(before, after, strict=True) if a != b}
            assert ("#ee9900", fill) in changed
            assert all(np.allclose(a, b, atol=0.01) for (_, a), (_, b) in zip(before, after, strict=True))
    assert b"0 0 1 rg" in (styled / "main.pdf").read_bytes()


def test_nodes_have_anchors_an_author_can_draw_to(tmp_path: File) -> None:
    drawn = r"\draw[red] (layer1-0.east) -- (layer1-add.north) -- (layer2-0-in) -- (layer2-0-out) -- (layer2-0-top);"
    user = rf"\tikzset{{av/user/.style={{execute at end picture={{{drawn}}}}}}}"
    done = latex.together([tex.render(FIGURE)], tmp_path, before=user)
    assert not done.complaints
    ink, points = of_pdf(pages(done.pdf.read_bytes())[0])[-1]
    c = next(mark for group in FIGURE.marks if isinstance(group, Group) for mark in group.marks
             if isinstance(mark, Cuboid))
    wanted = [(70, 22.15), (90, 60), c.at(0, 0.5, 0.5), c.at(1, 0.5, 0.5), c.at(0.5, 0, 0.5)]
    assert ink.startswith("none #ff0000") and points == pytest.approx(np.array(wanted), abs=0.01)


def test_two_figures_do_not_disturb_each_other_or_their_document(tmp_path: File) -> None:
    grey = replace(FIGURE, sheet={role: replace(paint, fill="#cccccc") for role, paint in SHEET.items()})
    source = (latex.PREAMBLE + r"\begin{document}\input{a}\input{b}\input{a}"
              r"\begin{tikzpicture}\fill (0,0) rectangle (1,1);\end{tikzpicture}\end{document}")
    done = latex.compiled(source, tmp_path, a=tex.render(FIGURE), b=tex.render(grey))
    assert not done.complaints
    first, second, third, _ = map(of_pdf, pages(done.pdf.read_bytes()))
    assert [ink for ink, _ in first] == [ink for ink, _ in third] != [ink for ink, _ in second]


# ------------------------------------------------------------------------------------------------ whole documents

@pytest.mark.parametrize("engine", ["pdflatex", "lualatex", "xelatex"])
def test_each_engine_makes_a_page_of_the_figures_size(engine: str, tmp_path: File) -> None:
    wide = replace(FIGURE, width=495.12, marks=(*FIGURE.marks, Text(200, 20, "é λ 層 3×3 → ⊕", "label")))
    done = latex.compiled(tex.render(wide, standalone=True).decode(), tmp_path, engine)
    assert done.code == 0 and not [line for line in done.complaints if not line.startswith("Missing character")]
    assert done.sizes() == [pytest.approx((wide.width, wide.height), abs=0.1)]
    assert "é" in done.words()[0] and "3×3" in done.words()[0] and "conv,64" in done.words()[0]


# ------------------------------------------------------------------------------------------------ the command line

def test_the_article_compiles_with_its_figures_restyled_and_drawn_to(run: Run, tmp_path: File) -> None:
    """The commands are those that the article itself names."""
    source = (ROOT / "gallery" / "article" / "article.tex").read_text("utf-8")
    commands = [line.split()[1:] for line in re.findall(r"^%   (archviz .*)", source, re.MULTILINE)]
    files = {}
    for *command, out in commands:
        path = tmp_path / File(out).name
        done = run(*command, path, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        files[path.stem] = path.read_bytes()
    assert set(files) == set(re.findall(r"\\input\{(\w+)\}", source)) and len(files) == 4
    latex.compiled(source, tmp_path)
    done = latex.compiled(source, tmp_path)     # the first run learns the numbers of the figures
    assert done.code == 0 and not done.complaints
    read = "".join(done.words())
    assert all(f"Figure{i}:" in read for i in (1, 2, 3, 4)) and "wecuthere" in read
    inks = [ink for page in pages(done.pdf.read_bytes()) for ink, _ in of_pdf(page)]
    pale = [ink for ink in inks if ink.startswith("#ffdfbf ")]
    assert len(pale) > 15 and any(ink.startswith("none #0000ff") for ink in inks)
    assert sum(ink.startswith("#d9d9d9") for ink in inks) > 4       # the neurons of one figure


@pytest.fixture
def saved(tmp_path: File) -> File:
    path = tmp_path / "graph.json"
    path.write_bytes(figure("lstm-column").render("json"))
    return path


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_command_line_writes_tikz_and_sets_it(saved: File, run: Run, tmp_path: File) -> None:
    done = run(saved, "-o", "fig.tex", "-o", "fig.pdf", "--engine", "latex", "--width", "column")
    assert done.returncode == 0, done.stderr
    source, pdf = (tmp_path / "fig.tex").read_bytes(), (tmp_path / "fig.pdf").read_bytes()
    assert source == figure("lstm-column").render("tex") and b"documentclass" not in source
    assert pdf.startswith(b"%PDF") and b"pdfTeX" in pdf
    again = run(saved, "-o", "fig.tex", "-o", "fig.pdf", "--engine", "pdflatex", "--standalone", "--width", "column")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "fig.pdf").read_bytes() == pdf       # in another folder, at another time
    assert (tmp_path / "fig.tex").read_bytes().count(b"documentclass") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fig.pdf", "fig.tex", "graph.json"]


def test_without_tex_one_line_says_what_to_install(saved: File, run: Run, tmp_path: File) -> None:
    for engine, named in (("latex", "pdflatex, lualatex or xelatex"), ("xelatex", "xelatex")):
        # and before any work is done: the model is not even read
        done = run(tmp_path / "no-model.py", "-o", "fig.pdf", "--engine", engine, env={"PATH": str(tmp_path)})
        assert done.returncode == 2 and named in done.stderr and "texlive-latex-base" in done.stderr
        assert len([line for line in done.stderr.splitlines() if not line.endswith(" …")]) == 2
        assert not (tmp_path / "fig.pdf").exists()
    assert run(saved, "-o", "fig.pdf", env={"PATH": str(tmp_path)}).returncode == 0     # the usual PDF needs none


def test_what_tex_says_when_it_fails_is_told_in_one_line(saved: File, run: Run, tmp_path: File) -> None:
    engine = tmp_path / "bin" / "pdflatex"
    engine.parent.mkdir()
    engine.write_text("#!/bin/sh\necho This is TeX\necho '! LaTeX Error: File preview.sty not found.'\nexit 1\n")
    engine.chmod(0o755)
    done = run(saved, "-o", "fig.pdf", "--engine", "latex", env={"PATH": str(engine.parent)})
    assert done.returncode == 2 and "pdflatex failed: LaTeX Error: File preview.sty not found." in done.stderr
    assert not (tmp_path / "fig.pdf").exists()


@pytest.mark.parametrize("engine", _tex_engine.ENGINES)
def test_an_engine_writes_the_same_bytes_again(engine: str) -> None:
    document = tex.render(FIGURE, standalone=True)
    assert _tex_engine.run(document, engine) == _tex_engine.run(document, engine)


def test_tex_may_start_no_program_and_is_stopped_when_it_takes_too_long(
        tmp_path: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = rb"\documentclass{article}\begin{document}x\immediate\write18{touch owned}\end{document}"
    assert _tex_engine.run(document, "pdflatex").startswith(b"%PDF") and not list(tmp_path.iterdir())
    with pytest.raises(ArchvizError, match="Undefined control sequence"):
        _tex_engine.run(rb"\documentclass{article}\begin{document}\nothing\end{document}", "pdflatex")
    monkeypatch.setattr(_tex_engine, "PATIENCE", 1.0)
    with pytest.raises(ArchvizError, match="stopped"):
        _tex_engine.run(rb"\documentclass{article}\begin{document}\loop\iftrue\repeat\end{document}", "pdflatex")
