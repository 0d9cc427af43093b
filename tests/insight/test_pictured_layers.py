"""The activations of one input, layer by layer: the recorded values, in the network's order, with the right counts."""
from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from torch import nn

import archviz
from archviz.apps.cli import main
from archviz.core.errors import ArchvizError
from archviz.core.scene import Box, Group, Image, Mark, Text
from archviz.figure.figure import Figure
from archviz.insight.painting import colormap
from archviz.insight.pictures._standalone import Picture
from archviz.insight.results.recording import Recording
from archviz.style.style import load_style
from tests.lint import lint

STYLE = load_style("block")
MAPS = {**STYLE.heat, "unsigned": STYLE.heat["maps"]}


class Branched(nn.Module):
    """Convolutions with a shortcut, a layer of few channels, a vector, and the scores."""

    def __init__(self, classes: int = 12) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 20, 3, padding=1), nn.BatchNorm2d(20), nn.ReLU())
        self.side = nn.Conv2d(20, 20, 1)
        self.drop = nn.Dropout()
        self.few = nn.Conv2d(20, 4, 3, stride=2)
        self.head = nn.Linear(4, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        x = self.drop(x + self.side(x))
        return self.head(torch.relu(self.few(x)).mean((2, 3)))


ORDER = ["/in:image", "stem.0", "side", "/add", "few", "/mean", "head"]


@pytest.fixture(scope="module")
def ran() -> tuple[Recording, Figure]:
    torch.manual_seed(0)
    model, image = Branched().eval(), torch.rand(2, 3, 16, 16)
    return archviz.record(model, image, reduce=["values"], progress=False), archviz.draw(model, image[:1])


def columns(picture: Picture) -> dict[str, Group]:
    return {mark.node: mark for mark in picture.scene.marks if isinstance(mark, Group)}


def tiles(group: Group) -> list[np.ndarray]:
    """The pixels of the images in a column, but for its colour bar."""
    found = [mark for mark in group.marks if isinstance(mark, Image) and mark.role != "tile"]
    return [np.asarray(Pillow.open(BytesIO(mark.png)).convert("RGB")) for mark in found]


def words(marks: tuple[Mark, ...]) -> list[str]:
    return [mark.string for mark in marks if isinstance(mark, Text)]


def cells(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """One pixel of each cell."""
    high, wide = (size // cells for size, cells in zip(pixels.shape, (height, width), strict=False))
    assert pixels.shape[:2] == (high * height, wide * width)
    return pixels[high // 2::high, wide // 2::wide]


def test_the_order_is_the_networks_and_the_input_comes_first(ran):
    recording, figure = ran
    picture = recording.image("layers", figure=figure)
    found = columns(picture)
    assert list(found) == ORDER
    left = [min(mark.x for mark in group.marks if isinstance(mark, Text)) for group in found.values()]
    assert left == sorted(left)
    assert words(found["stem.0"].marks)[:3] == ["3×3 conv, 20", "BN, ReLU", "20@16×16"]
    assert words(found["few"].marks)[-3:] != words(found["stem.0"].marks)[-3:]
    assert picture.caption.startswith("Activations of Branched, layer by layer")


def test_tiles_are_the_values_on_the_layers_own_scale(ran):
    recording, figure = ran
    found = columns(recording.image("layers", figure=figure, channels=5, sample=1))
    for node, at in (("stem.0", "stem.2"), ("side", "side"), ("/add", "/add"), ("few", "/relu")):
        values = recording[at].values[1].astype(np.float64)
        on = colormap.scale(values, MAPS, bool((values < 0).any()))
        shown = tiles(found[node])
        assert len(shown) == min(5, len(values))
        for pixels, one in zip(shown, values, strict=False):
            assert (cells(pixels, *one.shape) == on.rgb(one)).all()
    vector = recording["/mean"].values[1]
    on = colormap.scale(vector, MAPS, bool((vector < 0).any()))
    assert (cells(tiles(found["/mean"])[0], 4, 1)[:, 0] == on.rgb(vector)).all()


def test_the_picture_is_what_was_given(ran):
    recording, figure = ran
    given = (np.arange(2 * 3 * 16 * 16) % 251).astype(np.uint8).reshape(2, 3, 16, 16)
    picture = recording.image("layers", figure=figure, images={"/in:image": given})
    pixels = tiles(columns(picture)["/in:image"])[0]
    assert (cells(pixels, 16, 16) == given[0].transpose(1, 2, 0)).all()


@pytest.mark.parametrize(("channels", "said"), [(None, "16 of 20"), (5, "5 of 20"), (20, None), (99, None)])
def test_what_is_left_out_is_said(ran, channels, said):
    recording, figure = ran
    picture = recording.image("layers", figure=figure, channels=channels)
    found = columns(picture)
    counted = [word for word in words(found["stem.0"].marks) if " of " in word]
    assert counted == ([said] if said else [])
    assert len(tiles(found["stem.0"])) == (int(said.split()[0]) if said else 20)
    assert len(tiles(found["few"])) == 4 and not [word for word in words(found["few"].marks) if " of " in word]
    first = re.search(r"the first (\d+) channels are shown", picture.caption)
    assert (first[1] if first else None) == (said.split()[0] if said else None)


def test_the_best_scores_are_bars_with_their_names(ran):
    recording, figure = ran
    values = recording["head"].values[0]
    names = {i: f"kind {i}" for i in range(12)}
    picture = recording.image("layers", figure=figure, names=names)
    group = columns(picture)["head"]
    best = [int(i) for i in np.argsort(-values)[:5]]
    assert [word for word in words(group.marks) if word.startswith("kind")] == [names[i] for i in best]
    assert "5 of 12" in words(group.marks)
    bars = [mark for mark in group.marks if isinstance(mark, Box) and mark.role.startswith("score")]
    assert [bar.role for bar in bars] == ["score best"] + 4 * ["score"]
    shares = np.array([bar.width for bar in bars]) / bars[0].width
    assert shares == pytest.approx(abs(values[best]) / abs(values[best[0]]), abs=0.01)
    largest = colormap.number(float(values[best[0]]))
    assert f"the largest that of class {best[0]} (kind {best[0]}, {largest})" in picture.caption


def test_without_a_figure_every_operation_is_a_layer_but_those_that_change_nothing(ran):
    found = columns(ran[0].image("layers"))
    assert list(found) == ["/in:image", "stem.0", "stem.1", "stem.2", "side", "/add", "few", "/relu", "/mean", "head"]
    assert words(found["stem.2"].marks)[:2] == ["ReLU", "20@16×16"]
    assert [words(found[key].marks)[0] for key in ("stem.0", "stem.1", "few")] == ["conv", "BN", "conv"]


def test_a_box_says_no_more_than_what_was_watched():
    torch.manual_seed(0)
    model, image = Branched().eval(), torch.rand(1, 3, 16, 16)
    recording = archviz.record(model, image, ["stem.0", "stem.1"], ["values"], progress=False)
    found = columns(recording.image("layers", figure=archviz.draw(model, image)))
    assert list(found) == ["stem.0"] and words(found["stem.0"].marks)[:2] == ["3×3 conv, 20", "BN"]


def test_numbers_without_a_place_are_tables_and_strips():
    rows = np.linspace(-1, 1, 2 * 6 * 10).reshape(2, 6, 10).astype(np.float32)
    long = np.linspace(0, 1, 300).reshape(1, 300).astype(np.float32)
    nodes = {"tokens": {"values": rows[:1]}, "vector": {"values": long}, "score": {"values": long[:, :3]}}
    found = columns(Recording(nodes, {}).image("layers"))
    on = colormap.scale(rows[:1], MAPS, True)
    assert (cells(tiles(found["tokens"])[0], 6, 10) == on.rgb(rows[0])).all()
    strip = cells(tiles(found["vector"])[0], 128, 3)
    assert (strip[:, 1] == colormap.scale(long, MAPS, False).rgb(long[0, 128:256])).all() and (strip[44:, 2] ==
    255).all()


def test_it_stays_on_its_page_without_a_fault(ran, tmp_path):
    recording, figure = ran
    for width in ("84mm", "174mm"):
        picture = recording.image("layers", figure=figure, width=width)
        assert picture.scene.width <= float(width[:-2]) * 72.27 / 25.4 + 0.01
        assert picture.render("svg") == recording.image("layers", figure=figure, width=width).render("svg")
        picture.save(tmp_path / f"{width}.svg")
    assert {name: row["bad"] for name, row in lint(sorted(tmp_path.iterdir())).items() if row["bad"]} == {}


def test_a_volume_is_shown_by_its_middle_slice_and_a_long_label_whole():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv3d(2, 6, 3, padding=1, stride=(1, 2, 2), groups=2), nn.Tanh()).eval()
    clip = torch.rand(1, 2, 5, 8, 8)
    recording = archviz.record(model, clip, reduce=["values"], progress=False)
    picture = recording.image("layers", figure=archviz.draw(model, clip))
    group = columns(picture)["0"]
    assert " ".join(words(group.marks)).startswith("3×3×3 depthwise conv, 6, /1×2×2 tanh 6@5×4×4")
    values = recording["1"].values[0].astype(np.float64)[:, 2]
    on = colormap.scale(values, MAPS, True)
    assert all((cells(p, 4, 4) == on.rgb(v)).all() for p, v in zip(tiles(group), values, strict=True))
    assert "the slice in the middle" in picture.caption
    assert words(columns(recording.image("layers"))["1"].marks)[:2] == ["tanh", "6@5×4×4"]


def test_what_is_squashed_is_no_score():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(5, 7), nn.Tanh()), torch.rand(1, 5)
    recording = archviz.record(model, x, reduce=["values"], progress=False)
    found = columns(recording.image("layers", figure=archviz.draw(model, x)))
    assert (cells(tiles(found["0"])[0], 7, 1)[:, 0] == colormap.scale(recording["1"].values, MAPS, True).rgb(
        recording["1"].values[0])).all()


def test_each_stream_shows_its_own_channels():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2)).eval()
    image = torch.rand(1, 2, 9, 9)
    recording = archviz.record(model, image, reduce=["values"], progress=False)
    found = columns(recording.image("layers", figure=archviz.draw(model, image, streams="groups")))
    values = recording["2"].values[0].astype(np.float64)
    for key, part in (("2#1", values[:4]), ("2#2", values[4:])):
        on = colormap.scale(part, MAPS, True)
        assert all((cells(p, 5, 5) == on.rgb(v)).all() for p, v in zip(tiles(found[key]), part, strict=True))


@pytest.mark.parametrize(("options", "message"), [
    ({"nodes": "stem.9"}, "no layer with values is named stem.9\n  did you mean stem.0"),
    ({"channels": 0}, "0 channels are no picture"),
    ({"sample": 7}, "there is no sample 7\n  there are 2"),
    ({"tiles": 3}, "has no option 'tiles'"),
])
def test_what_is_not_there_is_said(ran, options, message):
    with pytest.raises(ArchvizError, match=message):
        ran[0].image("layers", figure=ran[1], **options)


def test_without_values_there_is_no_picture():
    model = nn.Linear(3, 2)
    with pytest.raises(ArchvizError, match="holds no values to draw\n  record them"):
        archviz.record(model, torch.rand(1, 3), progress=False).image("layers")
    many = {f"layer{i}": {"values": np.full((1, 40, 8, 8), i, np.float32)} for i in range(150)}
    with pytest.raises(ArchvizError, match="150 layers do not fit on one page"):
        Recording(many, {}).image("layers")


MODEL = """
import torch
from torch import nn
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 3))
example_inputs = torch.zeros(1, 1, 8, 8)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "names.txt").write_text("cat\ndog\nhen\n")
    np.save(tmp_path / "x.npy", np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_command_draws_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["record", "net.py", "--picture", "layers", "--class-names", "names.txt", "--nodes", "[03]"]
    assert main.main([*command, "--input", "input=x.npy", "-o", "a.svg", "-o", "a.npz", "--caption"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Activations of Net, layer by layer") and "everywhere" not in said.err
    drawn = Path("a.svg").read_text("utf-8")
    assert all(word in drawn for word in ("input", "3×3 conv, 6", "6@6×6", "linear, 3", "dog", "hen"))
    assert "ReLU" not in drawn
    assert list(Recording.load("a.npz").maps) == ["/in:input", "0", "3"]
    command[3:] = ["maps", "--nodes", "1", "--channels", "3"]
    assert main.main([*command, "-o", "b.svg", "--caption"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Activations of 1: channels")
    assert main.main([*command[:3], "layers", "-o", "c.svg"]) == 0
    assert "input is 0 everywhere, so that maps show little; say --image, or --input" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["--picture", "layers", "--stat", "mean"], "the picture layers shows values, which --stat mean does not keep"),
    (["--picture", "layers", "--channels", "0"], "--channels 0: no picture has so few"),
    (["--channels", "3"], "--channels is for a picture, and none was asked for"),
    (["--class-names", "names.txt"], "--class-names is for a picture, and none was asked for"),
    (["--picture", "grid"], "invalid choice"),
    (["--picture", "layers", "--nodes", "conv9"], "conv9"),
])
def test_a_mistake_is_told(folder: Path, arguments: list[str], message: str,
                           capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["record", "net.py", *arguments, "-o", "a.svg"]) == 2
    assert message in capsys.readouterr().err and not Path("a.svg").exists()
