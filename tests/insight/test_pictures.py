"""Pictures of what a model does: they stay on their page, say their scale, and take hostile words as words."""
from __future__ import annotations

import re
import shutil
from functools import cache
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.scene import Group, Image, Mark, Text
from archviz.insight.pictures._standalone import Picture, picture
from archviz.insight.pictures._tokens import pieces
from archviz.insight.results.attribution import Attribution, Attributions, Check
from archviz.insight.results.recording import Recording
from archviz.style.style import load_style
from tests.conftest import ROOT
from tests.latex import together
from tests.lint import lint

APPROVED = ROOT / "tests" / "approved"
WIDTHS = {"84mm": 84 * 72.27 / 25.4, "174mm": 174 * 72.27 / 25.4}


def ramp(*shape: int) -> np.ndarray:
    """Numbers that differ, from −1 to 1, with no library's random generator behind them."""
    return np.sin(np.arange(np.prod(shape)) * 0.7 + 1).reshape(shape)


def bump(n: int, size: int) -> np.ndarray:
    """(n, size, size): smooth, as a class activation map enlarged to the image."""
    at = np.linspace(-1, 1, size)
    return np.stack([np.exp(-4 * ((at[:, None] - k / 9) ** 2 + at ** 2)) for k in range(n)])


def photos(n: int = 2, size: int = 32) -> np.ndarray:
    at = np.linspace(0, 1, size)
    return np.stack([np.stack([at[:, None] * at, 1 - at[:, None] + 0 * at, 0 * at[:, None] + at]) for _ in range(n)])


def attribution(method: str = "gradcam", values: np.ndarray | None = None, **more: object) -> Attribution:
    values = bump(2, 32) if values is None else values
    given = {"title": {"gradcam": "Grad-CAM", "lrp": "LRP"}.get(method, method), "target": "class 7",
             "output": np.array([3.0, 2.0]), "inputs": {"/in:x": values}, "shown": {"/in:x": photos(len(values))},
             "signed": bool((values < 0).any()), "unit": "relevance (logit)", **more}
    return Attribution(method, **given)


@cache
def several() -> Attributions:
    check = Check("completeness", 0.002, "sums to 0.998 of f(x) − f(baseline)", 1e-2)
    return Attributions([
        attribution(), attribution("lrp", 3 * ramp(2, 32, 32)),
        attribution("ig", ramp(2, 32, 32), title="Integrated gradients", checks=(check,), notes=("32 steps",)),
        attribution("saliency", abs(ramp(2, 32, 32)), title="Saliency", unit="|∂f/∂x|")])


HOSTILE = ("<script>", "\\input{/etc/passwd}", "$x_1$", "%", "&amp;", "\U0001f642", "日本語", "{", "}", "\t", " ", "\n",
           "\u202eevil\u202c", "", "^^41", "~", "\x00", "a" * 120, "]]>", "\\end{document}")


def over_words(words: tuple[str, ...] = HOSTILE, **more: object) -> Attribution:
    values = ramp(1, len(words))
    return attribution("ig", values, **{"title": "Integrated gradients", "shown": {}, "inputs": {"embed": values},
                                        "extra": {"words": [words]}, **more})


def attention(**shapes: tuple[int, ...]) -> Attribution:
    extra = {}
    for name, shape in shapes.items():
        raised = np.exp(3 * ramp(*shape))
        extra[f"attention:{name}.attn/softmax"] = raised / raised.sum(-1, keepdims=True)
    return attribution("attention", title="Attention", inputs={}, shown={}, signed=False, unit="attention", extra=extra)


def states(units: int = 9, steps: int = 60) -> Attribution:
    extra = {"hidden:lstm": ramp(1, units, steps), "units:lstm": np.arange(units) + 10}
    return attribution("hidden", title="Hidden states", inputs={}, shown={}, signed=True, unit="tanh c", extra=extra)


def layer() -> Attribution:
    return attribution("record", title="Activations", inputs={}, shown={}, maps={"conv1": abs(ramp(2, 12, 6, 6))},
                       unit="activation", signed=False)


SENTENCE = tuple("[CLS] the act ##ing was un ##bel ##iev ##ably good , i would n ' t mis ##s it . [SEP]".split())
TEXT = "It was on the Berezina,\nwhere \"all\" was lost and won again\n."


def marks(found: tuple[Mark, ...]) -> list[Mark]:
    return [inner for mark in found for inner in (marks(mark.marks) if isinstance(mark, Group) else [mark])]


def words(picture: Picture) -> list[str]:
    return [mark.string for mark in marks(picture.scene.marks) if isinstance(mark, Text)]


def images(picture: Picture) -> list[np.ndarray]:
    return [np.asarray(Pillow.open(BytesIO(mark.png)).convert("RGB"))
            for mark in marks(picture.scene.marks) if isinstance(mark, Image)]


PICTURES = {
    "heat": lambda **o: attribution("lrp", ramp(2, 32, 32)).image("heat", **o),
    "one": lambda **o: attribution().image(samples=[0], **o),
    "grid": lambda **o: several().image(names=["cat", "a dog that is called by a very long name"], **o),
    "words": lambda **o: over_words().image(**o),
    "words-two": lambda **o: Attributions([over_words(SENTENCE), over_words(SENTENCE, target="class 8")]).image(**o),
    "matrix": lambda **o: attention(dec=(1, 1, 6, 9)).image(words=SENTENCE[:9], queries=HOSTILE[:6], **o),
    "matrix-heads": lambda **o: attention(enc=(1, 8, 20, 20)).image(words=HOSTILE, **o),
    "matrix-layers": lambda **o: attention(a0=(1, 2, 9, 9), a1=(1, 2, 9, 9)).image(words=SENTENCE[:9], **o),
    "matrix-long": lambda **o: attention(enc=(1, 1, 150, 150)).image(**o),
    "strip": lambda **o: states().image(words=(TEXT * 2)[:60], units=[11, 17], **o),
    "strip-both": lambda **o: states(steps=20).image(words=HOSTILE, form="both", units=3, **o),
    "maps": lambda **o: layer().image(**o),
    "filters": lambda **o: picture([], "maps", weights=ramp(40, 3, 5, 5), **o),
    "patches": lambda **o: picture([], "maps", patches=[[p[:, :20, :k + 9] for k, p in enumerate(photos(9))]] * 5, **o),
    "grid-one": lambda **o: Attributions(4 * several()).image(samples=[1], **o),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_picture_stays_on_its_page(name, width):
    scene = PICTURES[name](width=width).scene
    assert scene.width <= WIDTHS[width] + 0.01 and scene.height <= load_style("block").page.max_height
    for mark in marks(scene.marks):
        if isinstance(mark, Image):
            assert -0.01 <= mark.x <= mark.x + mark.width <= scene.width + 0.01
            assert -0.01 <= mark.y <= mark.y + mark.height <= scene.height + 0.01


def test_a_browser_sees_nothing_overlap_and_nothing_too_small(tmp_path):
    """The figure linter, on every picture in both widths; CJK and emoji are as wide as fonts there have them."""
    for name, make in PICTURES.items():
        for width in WIDTHS:
            make(width=width).save(tmp_path / f"{name}-{width}.svg")
    found = lint(sorted(tmp_path.iterdir()))
    assert {name: row["bad"] for name, row in found.items() if row["bad"]} == {}


def test_tex_sets_every_picture_whatever_the_words_say(tmp_path):
    pictures = {name: make(width="84mm") for name, make in PICTURES.items()}
    document = together([drawn.render("tex") for drawn in pictures.values()], tmp_path)
    assert (document.code, document.complaints) == (0, [])
    for drawn, size in zip(pictures.values(), document.sizes(), strict=True):
        assert size == pytest.approx((drawn.scene.width, drawn.scene.height), abs=0.05)
    pages = dict(zip(pictures, document.words(), strict=False))
    for word in ("<script>", "\\input{/etc/passwd}", "$x1$", "&amp;", "\\end{document}", "]]>"):
        assert word in pages["words"], word     # an underscore is a line, which is no word to other programs


def test_a_browser_shows_hostile_words_and_runs_none(tmp_path):
    from playwright.sync_api import sync_playwright

    over_words().image().save(tmp_path / "words.html")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto((tmp_path / "words.html").as_uri())
        shown = page.evaluate("[...document.querySelectorAll('svg text')].map(t => t.textContent)")
        scripts = page.evaluate("document.scripts.length")
        browser.close()
    assert scripts == 0
    assert {"<script>", "\\input{/etc/passwd}", "&amp;", "evil", "\U0001f642", "日本語", "]]>"} <= set(shown)
    assert not any("\u202e" in word for word in shown)


@pytest.mark.parametrize("name", ["grid", "words-two", "matrix", "strip-both", "filters"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_picture_shows_what_was_approved(name, width, request):
    path, text = APPROVED / f"picture-{name}-{width}.txt", outline(PICTURES[name](width=width))
    if request.config.getoption("--accept"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def outline(picture: Picture) -> str:
    """What a picture says, in the order it is drawn: words by their role, tokens by their tint, tiles by their size."""
    lines = [f"{picture.scene.title}: {picture.scene.width:.0f} × {picture.scene.height:.0f} points", picture.caption]
    for mark in picture.scene.marks:
        if isinstance(mark, Group):
            word = next((inner.string for inner in mark.marks if isinstance(inner, Text)), "␣")
            lines.append(f"[{mark.marks[0].role}] {word}")
        elif isinstance(mark, Text):
            lines.append(f"[{mark.role}] {mark.string}")
        elif isinstance(mark, Image):
            lines.append(f"[{mark.role}] {mark.width:.0f} × {mark.height:.0f}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", PICTURES)
def test_no_word_is_smaller_than_the_page_allows(name):
    for least in (6.0, 8.0):
        scene = PICTURES[name](width="84mm", settings={"page.min_font": str(least)}).scene
        assert min(scene.paint(mark.role).size for mark in marks(scene.marks) if isinstance(mark, Text)) >= least


@pytest.mark.parametrize("name", ["heat", "grid", "words", "matrix", "strip-both", "maps"])
def test_the_same_picture_is_the_same_bytes(name):
    first, second = PICTURES[name](), PICTURES[name]()
    for suffix in ("svg", "tex"):
        assert first.render(suffix) == second.render(suffix)


def test_the_caption_says_target_scale_and_checks():
    drawn = several().image()
    assert drawn.caption == drawn.scene.description == (
        "Grad-CAM, LRP, Integrated gradients and Saliency for class 7. Where maps have a sign, values above zero speak "
        "for the target, those below zero against it. Integrated gradients: sums to 0.998 of f(x) − f(baseline); "
        "32 steps. The maps of a method share its scale.")
    failed = attribution(checks=(Check("conservation", 0.5, "sums to half of the logit"),)).image()
    assert failed.caption.endswith("Sums to half of the logit, which is more than 0.001 off.")


def test_a_style_without_colours_shows_images_without_colours():
    for drawn, plain in ((several().image(theme="mono"), True), (several().image(), False)):
        assert all(np.ptp(tile.astype(int), -1).max() <= 1 for tile in images(drawn)) is plain


def test_a_recording_draws_the_maps_it_kept():
    values = {"conv1": {"values": ramp(2, 5, 6, 6), "samples": np.array(2)}}
    drawn = Recording(values, {"conv1": "conv2d"}).image(sample=1, width="84mm")
    assert [word for word in words(drawn) if word.isdigit()][:5] == list("01234")
    assert drawn.caption == "Activations of conv1: all 5 channels, on one scale."


def said(*tokens: str) -> str:
    """The pieces as a reader sees them: spaces between words, | between pieces of one."""
    return "".join(("" if not i else " " if piece.apart else "|") + (piece.words.replace(" ", "␣"))
                   for i, piece in enumerate(pieces(tokens)))


def test_pieces_are_joined_as_their_tokenizer_marks_them():
    assert said("[CLS]", "un", "##believ", "##able", ",", "don", "'", "t", "(", "go", ")", ".", "[SEP]") == (
        "[CLS] un|believ|able|, don|'|t (|go|)|. [SEP]")
    assert said("The", "Ġquick", "Ġbrow", "nies", ".", "Ċ", "Ġ", "Ã©", "t", "Ã©", "<|endoftext|>") == (
        "The quick brow|nies|.|¶|␣|é|t|é <|endoftext|>")
    assert said("▁The", "▁quick", "▁brow", "nies", ".", "</s>") == "The quick brow|nies|. </s>"
    assert said("The", " quick", " brow", "nies", ".") == "The quick brow|nies|."
    assert said(*"a b\n") == "a|␣|b|¶"
    assert said("good", "film", "!", "日本", "語") == "good film|! 日本|語"
    assert [piece.ends for piece in pieces(["a", "\n", "b"])] == [False, True, False]


def test_a_text_from_right_to_left_is_set_so():
    hebrew = over_words(("שלום", "עולם", "טוב")).image(width="84mm").scene
    latin = over_words(("one", "two", "three")).image(width="84mm").scene
    right, left = ([mark.marks[0].x for mark in scene.marks if isinstance(mark, Group)] for scene in (hebrew, latin))
    assert right == sorted(right, reverse=True) and left == sorted(left)


def test_lines_break_between_words_and_at_line_ends():
    scene = over_words(SENTENCE * 3).image(width="50mm").scene
    tokens = [mark for mark in scene.marks if isinstance(mark, Group)]
    starts = [i for i in range(1, len(tokens)) if tokens[i].marks[0].y > tokens[i - 1].marks[0].y + 0.1]
    assert len(starts) > 3
    assert all(pieces(SENTENCE * 3)[i].apart for i in starts)
    broken = [mark.marks[0].y for mark in over_words(("a", "\n", "b")).image().scene.marks if isinstance(mark, Group)]
    assert broken[0] == broken[1] < broken[2]


@pytest.mark.parametrize("make", [
    lambda **o: over_words(SENTENCE, inputs={"e": ramp(90, len(SENTENCE))}).image(words=SENTENCE, **o),
    lambda **o: attribution(values=bump(90, 32)).image(**o),
    lambda **o: Attributions([attribution("a", bump(90, 32)), attribution("b", bump(90, 32))]).image(**o)])
def test_of_a_large_batch_as_many_inputs_are_shown_as_can_be_seen(make):
    drawn = make(width="84mm")
    assert drawn.scene.height <= load_style("block").page.max_height
    number = int(re.search(r"The first (\d+) of 90 inputs are shown\.$", drawn.caption)[1])
    assert 3 < number < 90
    sides = [mark.height for mark in drawn.scene.marks if isinstance(mark, Image) and mark.height > 6]
    assert all(side > 25 for side in sides)


def test_what_is_asked_for_and_does_not_fit_is_refused():
    one = over_words(SENTENCE, inputs={"e": ramp(90, len(SENTENCE))})
    with pytest.raises(DoesNotFit, match="mm high, the page 227 mm"):
        one.image(words=SENTENCE, samples=range(90), width="84mm")


def test_padding_at_the_end_is_left_out():
    assert "[PAD]" not in words(over_words((*SENTENCE, "[PAD]", "[PAD]")).image())
    one = attention(a=(1, 1, 6, 6))
    drawn = one.image(words=("[CLS]", "a", "b", "[SEP]", "[PAD]", "[PAD]"))
    assert "[PAD]" not in words(drawn) and "Padding is left out." in drawn.caption
    cells = images(drawn)[0]
    assert len({tuple(p) for p in cells.reshape(-1, 3)}) <= 16


@pytest.mark.parametrize(("make", "message"), [
    (lambda: over_words().image(words=["a", "b"]), "there are 2 words for 20 tokens"),
    (lambda: over_words().image("heat"), "no map over an image"),
    (lambda: attribution().image("words"), "no map over tokens"),
    (lambda: attribution().image("matrix"), "holds no attention"),
    (lambda: attribution().image("strip"), "holds no hidden"),
    (lambda: attribution().image("maps"), "holds no maps of channels"),
    (lambda: attention(a=(1, 2, 6, 6)).image(heads=[5]), "there is no head 5\n  there are 2"),
    (lambda: attention(a=(1, 2, 6, 6)).image(nodes="b.attn/softmax"), "did you mean a.attn/softmax"),
    (lambda: attention(a=(1, 2, 6, 6), b=(1, 2, 5, 5)).image(), "different lengths"),
    (lambda: states().image(units=[3]), "there is no state of unit 3"),
    (lambda: layer().image(channels=[77]), "there is no channel 77"),
    (lambda: layer().image(node="conv2"), "did you mean conv1"),
    (lambda: attribution(inputs={}, shown={}).image(), "holds no map to draw"),
])
def test_what_is_not_there_is_said(make, message):
    with pytest.raises(ArchvizError, match=message):
        make()


@pytest.mark.parametrize(("options", "message"), [
    ({"panel": "ovr"}, "no panel 'ovr'\n  did you mean over"), ({"scale": "maps"}, "did you mean map"),
    ({"samples": [5]}, "there is no sample 5"), ({"kind": "gird"}, "did you mean grid"),
    ({"colour": True}, "no option 'colour'\n  did you mean colours"), ({"limit": "x"}, "not a limit"),
    ({"width": "wide"}, "not a length"), ({"mean": (1, 2)}, "mean and std have 2"),
    ({"kind": "heat"}, "shows one map, not 4"),
])
def test_what_cannot_be_drawn_is_said(options, message):
    with pytest.raises(ArchvizError, match=message):
        several().image(**options)
    with pytest.raises(ArchvizError):
        Attributions().image()


def test_an_image_is_shown_as_the_model_was_given_it():
    def shown(image: np.ndarray, **options: object) -> np.ndarray:
        one = attribution(values=bump(1, 32), shown={"/in:x": image})
        return images(one.image(panels="image", **options))[0]

    plain = photos(1)
    expected = np.rint(255 * plain[0]).astype(np.uint8).transpose(1, 2, 0)
    assert np.array_equal(shown(plain), expected)
    assert np.array_equal(shown(np.rint(255 * plain).astype(np.uint8)), expected)
    assert abs(shown((plain - 0.4) / 0.2, mean=(0.4,) * 3, std=(0.2,) * 3).astype(int) - expected).max() <= 1
    stretched = shown(3 * plain - 1)
    assert (stretched.min(), stretched.max()) == (0, 255)
    grey = shown(plain[:, :1])
    assert (grey[..., 0] == grey[..., 2]).all() and np.array_equal(grey[..., 0], expected[..., 0])


def test_a_picture_saves_and_shows_itself_as_a_figure_does(tmp_path):
    drawn = attribution().image(samples=[0], width="column")
    for suffix in ("svg", "pdf", "png", "tex"):
        drawn.save(tmp_path / f"p.{suffix}")
        assert (tmp_path / f"p.{suffix}").read_bytes() == drawn.render(suffix)
    assert set(drawn._repr_mimebundle_()) == {"image/svg+xml", "application/pdf", "text/plain"}
    assert drawn._repr_svg_() != drawn._repr_svg_()         # two on one page share no ids


def test_greys_are_never_laid_over_an_image():
    coloured, grey = attribution().image(), attribution().image(theme="mono")
    assert "over the input" in words(coloured) and "over the input" not in words(grey)


def test_methods_of_which_the_same_is_said_share_a_sentence_and_of_targets_the_worst_is_told():
    def of(title, target, error):
        check = Check("rule", error, f"off by {error:g}", 1)
        return attribution("lrp", ramp(1, 32, 32), title=title, target=target, checks=(check,), notes=("ε = 0.1",))

    two = Attributions([of("LRP", "class 7", 0.5), of("Deconvnet", "class 7", 0.5), attribution("saliency")])
    assert "LRP and Deconvnet: off by 0.5; ε = 0.1." in two.image().caption
    targets = Attributions([of("LRP", "class 7", 0.5), of("LRP", "class 8", 0.75)])
    assert "Off by 0.75 for class 8, the worst of 2." in targets.image().caption
