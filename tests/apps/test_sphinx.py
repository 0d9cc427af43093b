"""The sample project in tests/sphinx, built by the newest Sphinx and the oldest: what builders make of its figures, and
what is read and drawn anew after which change."""
from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.latex import COMPLAINTS
from tests.sphinxes import OLD, SAMPLE, Built, Project, pdf_of, sample

XHTML = {"h": "http://www.w3.org/1999/xhtml", "opf": "http://www.idpf.org/2007/opf", "svg": "http://www.w3.org/2000/svg"}
FIGURES = 22
NET = ("Net. A 32×32×3 image passes through two 3×3 convolutions with 16 and 32 filters, an average over all "
       "positions, and a linear layer with 10 outputs. It has 5.42K parameters and takes 4M multiply-accumulates.")


EACH = pytest.mark.parametrize("which, options", [("newest", ()), ("oldest", OLD)], ids=["newest", "oldest"])


def again(project: Project, builder: str, *options: str) -> Built:
    """A build that needs neither to read nor to draw, nor even torch."""
    built = project.build(builder, "-j2", *options, torch=False)
    assert "0 added, 0 changed, 0 removed" in built.said
    assert not built.traced and not built.drawn and "torch" not in built.complaints
    return built


def text(page: str) -> str:
    """The words of an HTML page, with what stands for signs."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def drawings(page: str) -> int:
    """How many of our SVGs it holds."""
    return len(re.findall(r'<svg [^>]*\bid="av', page))


# ------------------------------------------------------------------------------------------------ builders

@EACH
def test_html_shows_each_figure_for_light_and_for_dark_pages(which, options, request):
    project = request.getfixturevalue(which)
    pages = {path.stem: path.read_text("utf-8") for path in (project.folder / "out/html").glob("*.html")}
    assert sum(page.count("<figure") for page in pages.values()) == FIGURES
    assert drawings(pages["alpha"]) == 2
    assert re.search(r'archviz-light archviz-clear"><svg .*?archviz-dark archviz-clear"><svg ', pages["alpha"], re.S)
    assert NET in text(pages["alpha"])
    # one variant where the figure has a theme of its own, or none is wanted; the ground of what does not fit stays
    assert [drawings(figure) for figure in pages["options"].split("<figure")[1:]] == [1, 2, 1, 2, 2, 2, 1]
    assert '<div class="archviz-dark"><svg' in pages["options"].split("<figure")[4]
    assert "5.42K parameters" not in text(pages["beta"])
    assert drawings(pages["saved"]) == drawings(pages["myst"]) - 1 == 2
    for name, page in pages.items():
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), name
        named = re.findall(r"url\(#([^)]+)\)", page)
        assert set(named) <= set(ids), name


@EACH
def test_html_has_all_options_of_figure(which, options, request):
    project = request.getfixturevalue(which)
    page = (project.folder / "out/html/figure.html").read_text("utf-8")
    figures = page.split("<figure")[1:]
    whole = figures[0]
    assert re.match(r' class="[^"]*\bouter\b[^"]*" id="whole" style="width: 90%"', whole)
    assert "align-center" in whole.split(">")[0]
    assert re.search(r'<div class="archviz archviz-both inner" style="--archviz-width: [\d.]+pt; width: 80%">', whole)
    assert '<a class="reference image-reference" href="https://example.org/a?b=1&amp;c=2">' in whole
    assert whole.count('aria-label="A network, &quot;quoted&quot; &amp; &lt;escaped&gt;"') == 2
    assert "All options, with a caption & a legend." in text(whole) and '<div class="legend">' in whole
    shown = [re.search(r'style="--archviz-width: ([\d.]+)pt(?:; width: ([^"]*))?"', figure) for figure in figures]
    assert all(shown)
    natural = [float(found[1]) for found in shown if found]
    assert [found[2] for found in shown if found] == [
        "80%", "18rem", None, None, f"calc(150px * {ratio(figures[4]):.4g})", None, "calc(400px * 0.5)"]
    assert natural[0] == natural[1] and natural[5] == pytest.approx(natural[0] / 2, abs=0.01)
    assert natural[2] <= 84 / 25.4 * 72 and natural[3] <= 84 / 25.4 * 72        # laid out anew, not scaled
    assert "align-left" in figures[1].split(">")[0] and "align-right" in figures[2].split(">")[0]
    assert f'style="width: {natural[0]:.0f}pt"' in figures[6].split(">")[0]
    for number, where in (("Fig. 2", "index"), ("Figure 3", "index"), ("Fig. 3", "figure")):
        assert number in text((project.folder / f"out/html/{where}.html").read_text("utf-8"))


def ratio(figure: str) -> float:
    width, height = map(float, re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', figure)[0])
    return width / height


def test_options_of_the_command_line_are_heard(newest):
    figures = (newest.folder / "out/html/options.html").read_text("utf-8").split("<figure")[1:]
    cube, cells, own, several, pair, opened, inset = figures
    assert "reduction" in text(cube) and "global avg pool" in text(cube)
    assert "convolution: lines drawn alike share one weight" in text(cells)
    assert '"Quoted" \\\\ it\'s <b>' in text(own)
    assert "linear, 100" in text(several) and "#56b4e9" in several
    assert "left 2×8" in text(pair) and "right 2×8" in text(pair) and "#003366" in pair.split("archviz-dark")[1]
    assert "Block ×2" in text(inset) and "The inset shows one of the two blocks from inside." in text(inset)
    assert "#ffd9b3" in inset
    assert "SVM" in text(opened) and "by hand" in text(opened) and "linear" not in text(opened)
    assert '"viewBox="' not in opened and "3×3 conv, 8" in text(opened)


@EACH
def test_latex_gives_a_pdf_with_every_figure(which, options, request):
    project = request.getfixturevalue(which)
    built = again(project, "latex", *options)
    source = (built.out / "sample.tex").read_text("utf-8")
    assert source.count(r"\begin{tikzpicture}") == (FIGURES if which == "oldest" else 0)
    pdf, log = pdf_of(built.out)
    assert not COMPLAINTS.findall(log)
    told = subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, check=True).stdout.decode()
    words = " ".join(told.split())
    assert words.count("Fig. ") >= FIGURES - 1      # one has no caption
    for said in ("All options, with a caption & a legend.", "Fig. 2.1", "Figure 3.1", "ReLU", "From a MyST page.",
                 "global avg pool", "linear, 100", "Block ×2"):
        assert said in words, said
    # each figure's own words can be read in the file: there is none that was left out
    assert words.count("3×3 conv, 16") >= 13
    links = subprocess.run(["pdfinfo", "-url", str(pdf)], capture_output=True, check=True).stdout.decode()
    assert "https://example.org/a?b=1&c=2" in links


@EACH
def test_epub_holds_each_figure_as_a_file(which, options, request, tmp_path):
    project = request.getfixturevalue(which)
    built = again(project, "epub", *options)
    with zipfile.ZipFile(built.out / "Sample.epub") as book:
        assert book.testzip() is None and book.namelist()[0] == "mimetype"
        book.extractall(tmp_path)
    listed = {item.get("href"): item.get("media-type")
              for item in ElementTree.parse(tmp_path / "content.opf").iter(f"{{{XHTML['opf']}}}item")}
    used = set()
    count = 0
    for path in tmp_path.glob("*.xhtml"):
        page = ElementTree.parse(path)
        assert page.find(".//svg:svg", XHTML) is None
        for image in page.iterfind(".//h:figure//h:img", XHTML):
            count += 1
            used.add(image.get("src"))
            assert image.get("alt")
    assert count == FIGURES
    for name in used:
        assert listed[name] == "image/svg+xml"
        ElementTree.parse(tmp_path / name)
    assert {name for name in listed if name.endswith(".svg")} == used


@EACH
def test_text_says_what_is_shown(which, options, request):
    built = again(request.getfixturevalue(which), "text", *options)
    assert built.page("alpha.txt").split("\n\n")[1].strip() == "[Architecture of Net]"
    said = " ".join(built.page("alpha.txt").split("\n\n")[2].split())
    assert said.replace("multiply- accumulates", "multiply-accumulates").startswith(NET)
    assert "[A network, \"quoted\" & <escaped>]\n\n   All options, with a caption & a" in built.page("figure.txt")
    assert built.page("beta.txt").rstrip().endswith("[Two linear layers]")      # and no caption


@pytest.mark.parametrize("builder", ["texinfo", "singlehtml", "dirhtml"])
def test_other_builders_show_the_figures_too(builder, newest):
    built = again(newest, builder)
    if builder == "texinfo":
        assert built.page("sample.texi").count("@image{sample-figures/") == FIGURES
        assert len(list((built.out / "sample-figures").iterdir())) == len(set(re.findall(
            r"@image\{(sample-figures/[^,]+)", built.page("sample.texi"))))
    elif builder == "singlehtml":
        page = built.page("index.html")
        assert page.count("<figure") == FIGURES
        ids = re.findall(r'\sid="(av[^"]+)"', page)
        assert ids and len(ids) == len(set(ids))
    else:
        assert drawings(built.page("twice/index.html")) == 4


def test_an_epub_page_written_alone_leaves_the_others_their_figures(newest):
    book = newest.folder / "out/epub"
    if not book.is_dir():
        again(newest, "epub")
    before = {path.name: path.read_bytes() for path in (book / "_images").iterdir()}
    os.utime(newest.folder / "docs/twice.rst")
    newest.build("epub")
    assert before == {path.name: path.read_bytes() for path in (book / "_images").iterdir()}


# ------------------------------------------------------------------------------------------------ what is drawn anew

@pytest.fixture
def site(newest, tmp_path) -> Project:
    """The sample in another place, to be changed, with a copy of the store: nothing has to be traced or drawn."""
    project = sample(tmp_path / "sample")
    (project.folder / "docs/figure.rst").unlink()       # draws much and adds nothing here
    edit(project.folder / "docs/index.rst", "   figure\n", "")
    edit(project.folder / "docs/index.rst", ":numref:`Figure %s <whole>`", "another")
    shutil.copytree(newest.folder / "doctrees/archviz", project.folder / "doctrees/archviz")
    built = project.build("html", torch=False)
    assert not built.traced and not built.drawn
    return project


def edit(path: Path, old: str, new: str) -> None:
    content = path.read_text("utf-8")
    assert old in content
    path.write_text(content.replace(old, new), "utf-8")


def test_what_is_read_and_drawn_follows_what_was_changed(site):
    """One build after the other; each is told in full what it has to do again."""
    docs, net, plain, skip = site.folder / "docs", "alpha.nets:Net", "../beta/plain.py", "beta.nets:Skip"

    os.utime(site.folder / "alpha/nets.py")
    touched = site.build("html", torch=False)
    assert touched.read == touched.written - {"index"} == {"alpha", "options", "twice"}
    assert not touched.traced and not touched.drawn
    os.utime(site.folder / "alpha/nets.py")
    assert site.build("text", torch=False).read == touched.read
    other = site.build("html", torch=False)     # read by another builder, written by this one
    assert not other.read and other.written - {"index"} == touched.read

    edit(site.folder / "beta/plain.py", "nn.Linear(12, 24)", "nn.Linear(12, 20)")
    edit(site.folder / "beta/plain.py", "nn.Linear(24, 3)", "nn.Linear(20, 3)")
    edited = site.build("html")
    assert edited.read == {"beta", "myst"}
    assert edited.traced == edited.drawn == [plain, plain]
    assert "linear, 20" in text(edited.page("beta.html"))

    edit(site.folder / "beta/config.py", "8", "6")
    edit(docs / "looks/mine.yaml", "margin: 8", "margin: 9")
    edit(docs / "looks/night.yaml", "#003366", "#002244")
    (site.folder / "beta/archviz.yaml").write_text("theme: mono\n")      # there was none: now it holds for plain.py
    several = site.build("html")
    assert several.read == {"beta", "myst", "options"}
    assert several.traced == [skip] and several.drawn == [plain, plain, net, "alpha.nets:Pair", *[skip] * 4]
    assert "3×3 conv, 6" in text(several.page("beta.html"))

    edit(site.folder / "beta/archviz.yaml", "mono", "print")
    key = next(name for name in stored(site) if name in page_of(site, "saved"))
    (site.folder / f"doctrees/archviz/figures/{key}/{key[:12]}-figure.pdf").unlink()
    project = site.build("html")
    assert project.read == {"beta", "myst", "saved"}
    assert not project.traced and project.drawn == [plain, plain, "pair.json"]
    (site.folder / "beta/archviz.yaml").unlink()
    gone = site.build("html", torch=False)
    assert gone.read == {"beta", "myst"} and not gone.traced and not gone.drawn

    (docs / "options.rst").unlink()
    edit(docs / "index.rst", "   options\n", "")
    shutil.rmtree(site.folder / "doctrees/archviz/figures")
    everything = site.build("html", torch=False)                # the traces are there still
    assert everything.read == {"alpha", "beta", "index", "myst", "saved", "twice"}
    assert not everything.traced and everything.drawn == [plain, plain, net, skip, skip, "pair.json"]
    narrow = site.build("html", "-D", "archviz_width=100mm", torch=False)
    assert "'archviz_width'" in narrow.said
    assert not narrow.traced and narrow.drawn == [plain, plain, net, skip, "pair.json"]     # one has its own width


def stored(project: Project) -> list[str]:
    """The keys of all figures in the store."""
    return sorted(path.name for path in (project.folder / "doctrees/archviz/figures").iterdir())


def page_of(project: Project, page: str) -> str:
    return (project.folder / f"doctrees/{page}.doctree").read_bytes().decode("latin-1")


def test_builds_at_once_share_a_store(tmp_path):
    project = sample(tmp_path / "sample")
    for name in ("figure.rst", "options.rst", "twice.rst", "saved.rst", "myst.md"):
        (project.folder / "docs" / name).unlink()
    edit(project.folder / "docs/index.rst", ":numref:`Figure %s <whole>`", "another")
    edit(project.folder / "docs/index.rst", "   figure\n   options\n   twice\n   saved\n   myst\n", "")
    def run(n: int) -> Built:
        return project.build("html", "-D", "archviz_cache=../store", doctrees=f"doctrees{n}", out=f"html{n}")

    with ThreadPoolExecutor() as pool:
        one, two = pool.map(run, (1, 2))
    figures = sorted(path.name for path in (project.folder / "store/figures").iterdir())
    assert len(figures) == 3 and not [name for name in figures if name.startswith(".")]
    for page in ("alpha.html", "beta.html"):
        assert one.page(page) == two.page(page)
    assert {len(list(path.iterdir())) for path in (project.folder / "store/figures").iterdir()} == {4}


def test_translators_are_given_caption_and_alternative_text(tmp_path):
    docs, catalogue = tmp_path / "docs", tmp_path / "docs/locales/de/LC_MESSAGES/index.po"
    catalogue.parent.mkdir(parents=True)
    shutil.copy(SAMPLE / "docs/pair.json", docs)
    (docs / "conf.py").write_text('extensions = ["archviz.sphinxext"]\nhtml_theme = "alabaster"\n')
    (docs / "index.rst").write_text("T\n=\n\n.. archviz:: pair.json\n   :alt: Two layers\n\n.. archviz:: pair.json\n")
    project = Project(tmp_path)
    pot = project.build("gettext", torch=False).page("index.pot")
    caption, = (message for message in re.findall('msgid "(.+)"', pot) if message.startswith("Pair. "))
    assert re.findall('msgid "(.+)"', pot) == ["T", "Two layers", caption]

    catalogue.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n\n'
        f'msgid "Two layers"\nmsgstr "Zwei <Schichten>"\n\nmsgid "{caption}"\nmsgstr "Ein Paar"\n', "utf-8")
    html = project.build("html", "-D", "language=de", torch=False, doctrees="german").page("index.html")
    assert html.count('<svg aria-label="Zwei &lt;Schichten&gt;"') == 2          # for light and for dark pages
    assert html.count('<span class="caption-text">Ein Paar</span>') == 2
