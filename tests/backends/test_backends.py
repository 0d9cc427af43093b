"""SVG, PDF and PNG: valid whatever the names hold, the same bytes every time, the declared size, our own fonts."""
from __future__ import annotations

import io
import re
import shutil
import struct
import subprocess
import sys
import zlib
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as Path_
from types import MappingProxyType
from xml.etree import ElementTree

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

from archviz.backends import html, pdf, png, svg
from archviz.core.errors import ArchvizError
from archviz.core.scene import HATCHES, Box, Circle, Group, Image, Link, Mark, Paint, Path, Scene, Text, lowered
from archviz.core.text import clean
from archviz.style.style import load_style
from tests.core.test_scene import marks

NS = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
SHEET = {
    "conv": Paint(fill="#ee9900", stroke="#553300"), "add": Paint(fill="#ffffff", stroke="#000000", dash=(2, 1.5)),
    "edge": Paint(stroke="#404040", stroke_width=0.7), "label": Paint(size=7), "image": Paint(opacity=0.5),
    "strong": Paint(size=9, weight="bold", italic=True, color="#123456", opacity=0.25),
}
HOSTILE = [
    '<script>alert("1")</script>', "a & b", "]]>", "'\"", "line\nbreak\r\tx", "\x00\x01\x1b\x7f\ud800\ufffe\uffff",
    "\u05e9\u05dc\u05d5\u05dd/x", "\u202eevil", "a  b ", "&amp;", "<!-- -->", "層.0", "</svg>", "", "%s{}", "\\u0000",
    "𝔘"]


def picture(width: int = 2, height: int = 2) -> bytes:
    out = io.BytesIO()
    Picture.new("RGB", (width, height), (255, 0, 0)).save(out, "png")
    return out.getvalue()


def figure(*many: Mark, **facts: str) -> Scene:
    return Scene(many, SHEET, 144.54, 72.27, "A title", "What it shows", facts=facts)


FIGURE = figure(
    Group((Box(10, 10, 60, 20, "conv", 2), Text(40, 22.4, "3×3 conv, 64", "label", "middle")),
          "conv", "layers.0", "tip"),
    Link(((40, 30), (40, 50), (90, 50), (90, 60)), "edge"), Circle(100, 20, 5, "add"),
    Text(80, 40, "first", "label"), Text(80, 48, "second", "label"), trace="meta")


def tree(scene: Scene) -> ElementTree.Element:
    return ElementTree.fromstring(svg.render(scene))


Drawn = Iterator[tuple[ElementTree.Element, dict[str, str]]]


def drawn(element: ElementTree.Element, inherited: Mapping[str, str] = MappingProxyType({})) -> Drawn:
    """Every drawn element, with the attributes it has or inherits."""
    resolved = {**inherited, **element.attrib}
    if element.tag.removeprefix(NS) in ("path", "text", "image"):
        yield element, resolved
    for child in element:
        yield from drawn(child, resolved)


# ------------------------------------------------------------------------------------------------ SVG

def test_the_size_is_declared_in_millimetres_and_drawn_in_points() -> None:
    root = tree(FIGURE)
    assert (root.get("width"), root.get("height")) == ("50.8mm", "25.4mm")     # 2 inches by 1
    assert root.get("viewBox") == "0 0 144.54 72.27"


def test_each_element_says_what_it_draws() -> None:
    root = tree(FIGURE)
    assert root.findtext(f"{NS}title") == "A title" and root.findtext(f"{NS}desc") == "What it shows"
    assert root.findtext(f"{NS}metadata/{{urn:archviz}}facts") == '{"trace": "meta"}'
    group = root.find(f"{NS}g[@data-node='layers.0']")
    assert group is not None and group.get("class") == "conv" and group.findtext(f"{NS}title") == "tip"
    assert Counter(look["class"] for _, look in drawn(root)) == {
        "conv": 1, "label": 3, "edge": 1, "edge-head": 1, "add": 1}


def test_looks_are_attributes_and_need_no_css() -> None:
    written = svg.render(FIGURE).decode()
    assert "<style" not in written and "style=" not in written
    looks = {look["class"]: look for _, look in drawn(tree(FIGURE))}
    assert looks["conv"]["fill"] == "#ee9900" and looks["conv"]["stroke"] == "#553300"
    assert looks["edge"]["fill"] == "none" and looks["edge"]["stroke-width"] == "0.7"
    assert looks["edge-head"]["fill"] == "#404040" and "stroke" not in looks["edge-head"]
    assert looks["add"]["stroke-dasharray"] == "2 1.5" and "stroke-dasharray" not in looks["conv"]
    assert looks["label"]["font-size"] == "7" and looks["label"]["fill"] == "#000000"
    assert looks["label"]["font-family"].startswith("Liberation Sans, Arial")
    strong = next(drawn(tree(figure(Text(1, 2, "x", "strong", "end", 90.0)))))[1]
    assert {"font-weight": "bold", "font-style": "italic", "fill": "#123456", "fill-opacity": "0.25",
            "text-anchor": "end", "transform": "rotate(90 1 2)"}.items() <= strong.items()


@given(st.lists(marks, max_size=8).map(tuple))
def test_rich_marks_are_drawn_as_their_lowered_ones(many: tuple[Mark, ...]) -> None:
    scene = figure(*many)
    assert svg.render(scene) == svg.render(lowered(scene))


@given(st.lists(marks, max_size=8).map(tuple), st.text(), st.text(), st.text())
def test_any_scene_is_valid_xml(many: tuple[Mark, ...], title: str, description: str, fact: str) -> None:
    root = tree(replace(figure(*many, note=fact), title=title, description=description))
    assert (root.findtext(f"{NS}title") or "") == clean(title)
    assert (root.findtext(f"{NS}desc") or "") == clean(description)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_data(name: str) -> None:
    scene = figure(Group((Text(5, 5, name, "label"), Box(1, 1, 5, 5, "conv")), "conv", name, name), note=name)
    root = tree(scene)
    tip = ["title"] if clean(name) else []
    assert [e.tag.removeprefix(NS) for e in root.iter()] == [
        "svg", "title", "desc", "metadata", "{urn:archviz}facts", "g", *tip, "text", "path"]
    assert (next(drawn(root))[0].text or "") == clean(name)
    group = root.find(f"{NS}g")
    assert group is not None and group.get("data-node", "") == clean(name)
    assert pdf.render(scene).startswith(b"%PDF") and png.render(scene, dpi=50).startswith(b"\x89PNG")


@given(st.lists(st.text("ab.-/@", min_size=1, max_size=4), max_size=12))
def test_ids_are_unique_and_carry_the_prefix(nodes: list[str]) -> None:
    inner = tuple(Group((), "conv", node) for node in nodes)
    root = tree(replace(figure(*inner), uid="fig2"))
    ids = [element.get("id", "") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) == len(nodes) + 1
    assert all(re.fullmatch(r"fig2(-[A-Za-z0-9_-]*)?", i) for i in ids)
    assert [g.get("data-node") for g in root.iter(f"{NS}g")] == nodes


def test_numbers_are_short() -> None:
    scene = figure(Box(1 / 3, -1e-9, 1e-3, 7.10, "conv"))
    assert 'd="M0.33 0L0.33 0L0.33 7.1L0.33 7.1Z"' in svg.render(scene).decode()


def test_the_background_is_the_sheets() -> None:
    scene = replace(FIGURE, sheet={**SHEET, "background": Paint(fill="#fffff0")})
    first, look = next(drawn(tree(scene)))
    assert look["fill"] == "#fffff0" and first.get("d") == "M0 0L144.54 0L144.54 72.27L0 72.27Z"


def test_an_image_is_inside_the_file() -> None:
    element, look = next(drawn(tree(figure(Image(1, 2, 30, 40, picture())))))
    assert b64decode(element.attrib[HREF].removeprefix("data:image/png;base64,")) == picture()
    assert (look["x"], look["y"], look["width"], look["height"], look["opacity"]) == ("1", "2", "30", "40", "0.5")


ASKEW = [Image(10, 10, 30, 40, b"", cells=True), Image(60, 34, 24, 30, b"", rise=-18, cells=True),
         Image(100, 60, 24, -30, b"", lean=9, cells=True)]
CORNERS = {(0, 0): (255, 0, 0), (0, 3): (0, 200, 0), (3, 0): (0, 0, 255), (3, 3): (255, 255, 0)}
"""(row, column) of four cells of a picture of 4 × 4, else black."""


def quartered() -> bytes:
    cells = np.zeros((4, 4, 3), np.uint8)
    for at, colour in CORNERS.items():
        cells[at] = colour
    out = io.BytesIO()
    Picture.fromarray(cells).save(out, "png")
    return out.getvalue()


def check_cells(seen: np.ndarray, scale: float, images: Sequence[Image]) -> None:
    """Each cell's colour is in its middle, and just outside of the corners is the white page."""
    for image in images:
        def at(across: float, down: float, image: Image = image) -> tuple[int, ...]:
            (ax, ay), (bx, by) = image.along, image.down
            x, y = image.x + across * ax + down * bx, image.y + across * ay + down * by
            return tuple(seen[int(y * scale), int(x * scale)][:3].tolist())

        for row in range(4):
            for column in range(4):
                assert at((column + 0.5) / 4, (row + 0.5) / 4) == CORNERS.get((row, column), (0, 0, 0)), image
        assert {at(u, v) for u in (-0.06, 1.06) for v in (-0.06, 1.06)} == {(255, 255, 255)}


def test_a_picture_askew_lands_on_its_parallelogram_cell_by_cell(tmp_path: Path_) -> None:
    images = [replace(image, png=quartered()) for image in ASKEW]
    scene = replace(figure(*images), sheet={"image": Paint(), "background": Paint(fill="#ffffff")})
    elements = [element for element, _ in drawn(tree(scene)) if element.tag == f"{NS}image"]
    assert [e.get("transform") for e in elements] == [None, "matrix(24 -18 0 30 60 34)", "matrix(24 0 9 -30 100 60)"]
    assert all(e.get("preserveAspectRatio") == "none" for e in elements)
    check_cells(pixels(png.render(scene, dpi=289.08)), 4, images)      # four pixels a point
    (tmp_path / "a.pdf").write_bytes(pdf.render(scene))
    subprocess.run(["pdftoppm", "-r", "289.08", "-png", tmp_path / "a.pdf", tmp_path / "a"], check=True)
    check_cells(pixels((tmp_path / "a-1.png").read_bytes()), 4, images)


@pytest.mark.parametrize(("href", "kept"), [
    ("https://example.org/a?b&c", True), ("#layer", True), ("docs/a.html", True), ("mailto:a@b.c", True), ("", False),
    ("javascript:alert(1)", False), ("JavaScript:alert(1)", False), ("java\nscript:alert(1)", False),
    ("data:text/html,x", False), (" javascript:alert(1)", False)])
def test_links_lead_to_places_only(href: str, kept: bool) -> None:
    root = tree(figure(Group((Circle(5, 5, 2, "add"),), "conv", "n", href=href)))
    assert [a.get(HREF) for a in root.iter(f"{NS}a")] == ([href] if kept else [])
    assert len(list(drawn(root))) == 1


@pytest.mark.parametrize("backend", [svg, pdf, png])
def test_a_role_without_paint_is_named(backend: object) -> None:
    with pytest.raises(ArchvizError, match="no role 'cube'"):
        backend.render(figure(Box(1, 1, 2, 2, "cube side")))  # type: ignore[attr-defined]


HATCHED = replace(figure(
    Box(10, 10, 60, 40, "conv"), Box(40, 30, 60, 40, "conv"), Circle(120, 20, 15, "add"), Box(110, 40, 30, 30, "same")),
    sheet={**SHEET, "conv": Paint("#dddddd", "#553300", hatch="north east lines", hatch_color="#0000ff"),
           "same": Paint("#eeeeee", "#000000", hatch="north east lines", hatch_color="#0000ff"),
           "add": Paint(None, "#ff0000", hatch="dots")})


def test_a_hatch_is_one_pattern_for_each_colour_and_lies_between_fill_and_outline() -> None:
    root = ElementTree.fromstring(svg.render(HATCHED))
    patterns = root.findall(f"{NS}defs/{NS}pattern")
    assert patterns[0][0].get("stroke") == "#0000ff" and patterns[1][0].get("fill") == "#ff0000"
    names = [pattern.get("id") or "" for pattern in patterns]
    assert len(set(names)) == 2 and not any(character.isdigit() for name in names for character in name)
    group = next(e for e in root.iter(f"{NS}g") if e.get("class") == "conv")
    assert group.get("fill") == f"url(#{names[0]})" and group.get("stroke") == "#553300"
    # each box whole before the next, which may cover it
    assert [(e.get("fill"), e.get("stroke")) for e in group] == [("#dddddd", "none"), (None, None)] * 2
    assert group[0].get("d") == group[1].get("d") != group[2].get("d")
    assert b"<defs" not in svg.render(FIGURE)
    other = replace(HATCHED, uid="other")
    assert not {p.get("id") for p in ElementTree.fromstring(svg.render(other)).findall(f"{NS}defs/{NS}pattern")} & {
        *names}


UIDS = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,9}", fullmatch=True)


@given(st.lists(marks, max_size=6).map(tuple), UIDS, UIDS, st.data())
def test_a_file_under_another_uid_is_the_one_that_its_scene_would_have_given(
        many: tuple[Mark, ...], first: str, second: str, data: st.DataObject) -> None:
    """Whatever the words and names say: also where they look like ids and references."""
    pattern = f'<path fill="url(#{first.translate(svg.LETTERS)}-dots-x)"'
    word = data.draw(st.sampled_from([first, f"{first}-n", f' id="{first}-n"', f'<g id="{first}">', pattern]))
    inner = Group((Text(1, 2, word, "label"),), "conv", word, word, f"#{first}-n")
    scene = replace(figure(*many, *HATCHED.marks, inner, note=word), sheet=HATCHED.sheet, title=word, uid=first)
    assert svg.renamed(svg.render(scene).decode(), second) == svg.render(replace(scene, uid=second)).decode()


def test_a_file_in_a_page_keeps_its_words_and_takes_no_style_meant_for_others() -> None:
    word = ' <g class="label" >'
    inner = Group((Text(1, 2, word, "label"), Box(0, 0, 9, 9, "conv")), "conv", word, word)
    written = svg.render(figure(inner)).decode()
    before, after = ElementTree.fromstring(written), ElementTree.fromstring(svg.embedded(written))
    assert after.attrib.pop("style") == "max-width:100%;height:auto"
    for old, new in zip(before.iter(), after.iter(), strict=True):
        assert (old.tag, old.text) == (new.tag, new.text)
        assert new.attrib == {k: f"av-{v}" if k == "class" else v for k, v in old.attrib.items()}
    assert [e.get("class") for e in after.iter() if e.get("class")] == ["av-conv", "av-label", "av-conv"]


def test_a_file_of_someone_else_is_not_renamed() -> None:
    with pytest.raises(ValueError, match="archviz"):
        svg.renamed('<svg xmlns="http://www.w3.org/2000/svg"><g id="av"/></svg>', "av2")


@pytest.mark.parametrize("hatch", HATCHES[1:])
def test_a_hatch_is_drawn_in_png_and_pdf(hatch: str, tmp_path: Path_) -> None:
    """Lines in their colour on the fill, thin, all over the box, and a different picture for each hatch."""
    plain = Paint("#ffffff", None)
    scene = Scene((Box(0, 0, 60, 60, "conv"),), {"conv": replace(plain, hatch=hatch, hatch_color="#ff0000")}, 60, 60)
    (tmp_path / "a.pdf").write_bytes(pdf.render(scene))
    subprocess.run(["pdftoppm", "-r", "300", "-png", tmp_path / "a.pdf", tmp_path / "a"], check=True)
    drawn = {"png": np.asarray(Picture.open(io.BytesIO(png.render(scene, dpi=300))).convert("RGB"), int),
             "pdf": np.asarray(Picture.open(tmp_path / "a-1.png").convert("RGB"), int)}
    for suffix, pixels in drawn.items():
        assert (pixels[..., 0] > 245).all(), suffix
        covered = 1 - pixels[..., 1] / 255
        assert 0.03 < covered.mean() < 0.4, suffix
        quarters = [part.mean() for half in np.array_split(covered, 2) for part in np.array_split(half, 2, axis=1)]
        assert max(quarters) - min(quarters) < 0.02, suffix
        steep = {"horizontal lines": (0, 1), "vertical lines": (1, 0), "north east lines": (-1, 1),
                 "north west lines": (1, 1)}
        if hatch in steep:      # a line goes on where it goes, and not across
            along, across = (np.abs(covered - np.roll(covered, 4 * np.array(step), (0, 1))).mean()
                             for step in (steep[hatch], (steep[hatch][1], -steep[hatch][0])))
            assert along < 0.5 * across, suffix


def test_another_process_writes_the_same_bytes() -> None:
    script = ("import hashlib, sys; from tests.backends.test_backends import FIGURE, svg, pdf, png\n"
              "print(*(hashlib.sha256(b.render(FIGURE)).hexdigest() for b in (svg, pdf, png)))")
    runs = {subprocess.run([sys.executable, "-c", script], env={"PYTHONHASHSEED": seed, "PATH": "", "PYTHONPATH": "."},
                           capture_output=True, text=True, check=True).stdout for seed in ("1", "2")}
    assert len(runs) == 1 and len(runs.pop().split()) == 3


# ------------------------------------------------------------------------------------------------ HTML

@pytest.mark.parametrize("name", HOSTILE)
def test_a_page_says_what_the_figure_says_and_runs_nothing(name: str) -> None:
    scene = replace(figure(Group((Text(5, 5, name, "label"),), "conv", name, name, name), **{"note": name}),
                    title=name, description=f"{name} shown")
    page = BeautifulSoup(html.render(scene).decode(), "html.parser")
    assert not page.find_all(["script", "iframe", "object", "link"]) and "default-src 'none'" in str(page.head)
    assert not [tag for tag in page.find_all() if any(key.startswith("on") for key in tag.attrs)]
    assert not [tag for tag in page.find_all(href=True) if tag["href"].lower().startswith("javascript")]
    caption = page.find("figcaption")
    assert caption is not None and caption.text == clean(f"{name} shown")
    assert page.find("dd").text == clean(name)
    svgs = page.find_all("svg")
    assert len(svgs) == 1 and svgs[0].find("text").text == clean(name)
    assert all(value.startswith("av-") for tag in svgs[0].find_all(class_=True) for value in tag["class"])


def test_a_page_is_as_dark_as_its_figure() -> None:
    dark = replace(FIGURE, sheet={**SHEET, "background": Paint(fill="#101010"), "legend": Paint(color="#eeeeee")})
    assert b"background:#101010;color:#eeeeee" in html.render(dark) and b"background:#ffffff" in html.render(FIGURE)


# ------------------------------------------------------------------------------------------------ PNG

def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Picture.open(io.BytesIO(data)).convert("RGBA"))


def chunks(data: bytes) -> dict[bytes, bytes]:
    found, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body, check = data[at + 8:at + 8 + size], data[at + 8 + size:at + 12 + size]
        assert struct.pack(">I", zlib.crc32(kind + body)) == check
        found[kind] = body
        at += 12 + size
    return found


@pytest.mark.parametrize("dpi", [72, 300])
def test_a_png_has_its_resolution(dpi: int) -> None:
    data = png.render(FIGURE, dpi=dpi)
    assert pixels(data).shape == (dpi, 2 * dpi, 4)
    assert struct.unpack(">IIB", chunks(data)[b"pHYs"]) == (round(dpi / 0.0254), round(dpi / 0.0254), 1)


def test_a_png_shows_shapes_and_words_at_their_place() -> None:
    scale = 144 / 72.27
    inked = pixels(png.render(figure(Box(10, 10, 60, 20, "conv"), Text(80, 40, "word", "label")), dpi=144))
    assert tuple(inked[int(20 * scale), int(40 * scale)]) == (0xEE, 0x99, 0x00, 255)
    assert tuple(inked[int(5 * scale), int(5 * scale)]) == (0, 0, 0, 0)
    words = inked[int(33 * scale):int(42 * scale), int(80 * scale):int(98 * scale), 3]
    assert (words > 128).mean() > 0.1           # no font would leave nothing at all


def test_words_in_other_scripts_do_not_take_the_rest_away() -> None:
    alone, mixed = (pixels(png.render(figure(Text(10, 40, words, "label")), dpi=144)) for words in ("conv", "conv 層"))
    scale = 144 / 72.27
    here = np.s_[int(30 * scale):int(45 * scale), int(10 * scale):int(25 * scale)]
    assert alone[here].any() and (alone[here] == mixed[here]).all()


@pytest.mark.parametrize("dpi", [0, -1, 1, 10_000_000])
def test_a_png_nobody_can_draw_is_refused(dpi: int) -> None:
    with pytest.raises(ArchvizError, match="million pixels"):
        png.render(replace(FIGURE, width=60, height=60), dpi=dpi)


# ------------------------------------------------------------------------------------------------ PDF

def test_a_pdf_is_one_page_of_the_figures_size() -> None:
    data = pdf.render(FIGURE)
    (page,) = re.findall(rb"/MediaBox\s*\[([\d. ]+)\]", data)
    assert [float(n) for n in page.split()] == pytest.approx([0, 0, 144, 72])


def test_a_pdf_has_title_alternative_text_and_our_font_and_no_clock() -> None:
    data = pdf.render(FIGURE)
    assert b"/Title(A title)" in data and b"/Alt(What it shows)" in data
    # Six letters and a plus: a subset.
    assert set(re.findall(rb"/BaseFont/[A-Z]{6}\+([A-Za-z-]+)", data)) == {b"LiberationSans"}
    assert b"/FontFile" in data and b"/ToUnicode" in data
    assert b"/CreationDate" not in data and b"/ModDate" not in data
    assert len(data) < 40_000


@settings(max_examples=20, deadline=None)
@given(st.text('#"\\$[]{}<>&x\n', max_size=12), st.text(max_size=12))
def test_titles_are_never_typst_code(title: str, description: str) -> None:
    assert pdf.render(replace(FIGURE, title=title, description=description)).startswith(b"%PDF")


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="needs pdftotext")
def test_the_words_of_a_pdf_can_be_selected() -> None:
    words = subprocess.run(["pdftotext", "-", "-"], input=pdf.render(FIGURE), capture_output=True, check=True).stdout
    assert {"3×3 conv, 64", "first", "second"} <= {line.strip() for line in words.decode().splitlines()}


@pytest.mark.parametrize(("backend", "package"), [(png, "resvg_py"), (pdf, "typst")])
def test_a_missing_converter_is_named(backend: object, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ArchvizError, match=package.replace("_", ".") + r".*") as error:
        backend.render(FIGURE)  # type: ignore[attr-defined]
    assert error.value.hint.startswith("pip install")


def test_every_role_of_the_block_style_can_be_drawn() -> None:
    sheet = load_style("block").roles
    many = tuple(mark for role in sheet for mark in (Box(1, 1, 9, 9, role), Text(2, 2, role, role)))
    looks = [look for _, look in drawn(tree(Scene(many, sheet, 50, 50)))]
    roles = {look["class"] for look in looks if "patternUnits" not in look}     # the strokes of a hatch have no role
    assert roles == {role.replace(" ", "-") for role in sheet}
    assert isinstance(lowered(Scene(many, sheet, 50, 50)).marks[0], Path)
