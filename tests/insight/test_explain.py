"""What a user meets who wants a model explained: what goes in, what is refused and with which words, what comes out."""
from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

import archviz
from archviz.apps.cli import main as cli
from archviz.core import plugins
from archviz.core.errors import ArchvizError
from archviz.insight.inputs.images import fitted, pixels, recipe_of
from archviz.insight.results.attribution import Attribution, Attributions
from tests.apps.test_cli import contents, refused
from tests.conftest import ROOT, Run

MODEL = """
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, channels: int = 3, classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 16, classes)

    def forward(self, x):
        return self.head(F.adaptive_avg_pool2d(F.relu(self.norm(self.conv(x))), 4).flatten(1))
"""


class Net(nn.Module):
    """The same, in memory; of images of 16 × 16 pixels only, with `strict`."""

    def __init__(self, channels: int = 3, classes: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3, padding=1)
        self.head = nn.Linear(8 * 16 * 16, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x)).flatten(1))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model, its weights and an image of 24 × 16 pixels; the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "sized.py").write_text(f"{MODEL}\nexample_inputs = torch.zeros(1, 3, 16, 16)\n")
    space: dict[str, Any] = {"__name__": "model"}
    exec(MODEL, space)
    torch.manual_seed(1)
    torch.save(space["Net"]().state_dict(), tmp_path / "w.pt")
    Image.fromarray(picture(16, 24)).save(tmp_path / "cat.png")
    return tmp_path


def picture(height: int, width: int) -> Any:
    """(height, width, 3) bytes with something in it."""
    across = np.linspace(0, 255, width)[None, :] + np.zeros((height, 1))
    down = np.linspace(0, 255, height)[:, None] + np.zeros((1, width))
    return np.stack([across, down, 255 - across], 2).astype(np.uint8)


Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def main(folder: Path, capsys: pytest.CaptureFixture[str]) -> Main:
    """``main("explain", "model.py", …)`` in this process: its exit code, stdout and stderr."""
    def called(*arguments: object) -> tuple[int, str, str]:
        before = list(sys.path), dict(sys.modules)
        code = cli.main([*map(str, arguments)])
        sys.path[:] = before[0]
        for name in ("model", "sized", "broken"):
            sys.modules.pop(name, None)
        said = capsys.readouterr()
        return code, said.out, said.err

    return called


def explained(main: Main, *arguments: object) -> dict[str, Any]:
    """The numbers that ``archviz explain`` writes."""
    code, out, err = main("explain", *arguments, "-o", "a.npz", "--quiet")
    assert (code, out, err) == (0, "", ""), err
    with np.load("a.npz") as held:
        return dict(held)


# ------------------------------------------------------------------------------------------------ in Python

def test_one_method_and_one_target_give_one_attribution_and_else_there_are_several(net: Net) -> None:
    x = torch.rand(2, 3, 16, 16)
    one = archviz.explain(net, x, method="occlusion")
    assert isinstance(one, Attribution) and one.input_map.shape == (2, 16, 16)
    two = archviz.explain(net, x, method="occlusion", target="top2")
    assert isinstance(two, Attributions) and len(two) == 2 and two.methods == ("occlusion",) and len(two.targets) == 2
    assert isinstance(archviz.explain(net, x, method=["occlusion"]), Attributions)
    np.testing.assert_array_equal(two[0].input_map, one.input_map)
    assert not net.conv.weight.grad and net.conv.weight.requires_grad and not net.training


@pytest.mark.parametrize("form", ["tensor", "array", "list", "named", "arguments", "pillow", "bytes", "path", "file"])
def test_an_input_may_be_given_in_many_ways(net: Net, form: str, tmp_path: Path) -> None:
    image = picture(16, 16)
    Image.fromarray(image).save(tmp_path / "cat.png")
    x = torch.from_numpy(pixels(Image.fromarray(image), 3))[None]
    forms: dict[str, Any] = {
        "tensor": x, "array": x.numpy().astype(np.float64), "list": x.tolist(), "named": {"x": x.double()},
        "arguments": (x,), "pillow": Image.fromarray(image), "bytes": [image], "path": tmp_path / "cat.png",
        "file": str(tmp_path / "cat.png")}
    found = archviz.explain(net, forms[form], method="occlusion", window=4)
    np.testing.assert_allclose(found.to_numpy(), archviz.explain(net, x, method="occlusion", window=4).to_numpy(),
                               atol=1e-6)
    np.testing.assert_allclose(found.shown["/in:x"], x.numpy(), atol=1e-6)


def test_a_factory_a_class_and_a_target_make_the_same_model_each_time(folder: Path) -> None:
    maps = [archviz.explain(model, torch.ones(1, 3, 16, 16), method="occlusion", weights=weights).input_map
            for model, weights in [(Net, None), (lambda: Net(), None), ("model.py", "w.pt"), ("model.py:Net", "w.pt")]]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[2], maps[3])
    assert not np.allclose(maps[0], maps[2])
    sys.modules.pop("model", None)


def test_a_module_is_run_as_it_is(net: Net) -> None:
    for more in ({"weights": "w.pt"}, {"device": "cpu"}, {"dtype": "float64"}):
        with pytest.raises(ArchvizError, match="already built"):
            archviz.explain(net, torch.rand(1, 3, 16, 16), method="occlusion", **more)


def test_several_methods_say_what_each_says_by_itself(net: Net) -> None:
    x = torch.rand(2, 3, 16, 16)
    methods = ["saliency", "gradcam", "occlusion"]
    together = archviz.explain(net, x, method=methods, target="top2", class_names=list("abcd"))
    assert isinstance(together, Attributions) and together.methods == tuple(methods) and len(together) == 6
    for one in together:
        alone = archviz.explain(net, x, method=[one.method], target="top2")
        same = next(other for other in alone if other.target[:5] == one.target[:5])
        np.testing.assert_allclose(one.to_numpy(), same.to_numpy(), atol=1e-6)
        assert ": " in one.target and ": " not in same.target


def test_options_go_to_the_methods_that_have_them(net: Net) -> None:
    x = torch.rand(1, 3, 16, 16)
    both = archviz.explain(net, x, method="occlusion", occlusion={"window": 5, "stride": 3}, fill=0.5)
    plain = archviz.explain(net, x, method="occlusion", window=5, stride=3, fill=0.5)
    np.testing.assert_array_equal(both.to_numpy(), plain.to_numpy())


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a method": ({"method": "oclusion"}, "did you mean occlusion"),
    "no method": ({"method": ""}, "no method"),
    "an option": ({"windw": 3}, "did you mean window"),
    "an option that nothing resembles": ({"xyz": 3}, "occlusion has window, stride"),
    "an option of one method": ({"occlusion": {"steps": 3}}, "occlusion has no option 'steps'"),
    "options of another method": ({"saliency": {"x": 1}}, "not among the methods: occlusion"),
    "a number that is none": ({"method": "smoothgrad", "noise": float("nan")}, "noise is nan, and must be finite"),
    "a word for a number": ({"seed": "x"}, "seed is 'x'"),
    "a class": ({"target": 9}, "no class 9"),
    "a class by name": ({"target": "cat"}, "'cat' means nothing"),
    "more classes than there are": ({"target": "top9"}, "has 4 classes"),
    "a class for each of other samples": ({"target": [1, 2]}, "classes for 1 samples"),
    "a node": ({"target": "cnov[1]"}, "did you mean conv"),
    "a unit": ({"target": "conv[9]"}, "no unit"),
    "a function": ({"target": lambda y: y}, "one number for each sample"),
    "a budget": ({"budget": "three"}, "no amount of memory"),
    "a name of a normalisation": ({"x": picture(16, 16), "preprocess": "imagnet"}, "no normalisation"),
    "an input's name": ({"x": {"y": torch.rand(1, 3, 16, 16)}}, "takes no input 'y'"),
    "a text": ({"x": "hello"}, "needs a tokenizer"),
    "no input": ({"x": None}, "nothing to explain"),
    "a shape": ({"x": torch.rand(1, 1, 16, 16)}, "channels"),
    "a list of different images": ({"x": [picture(16, 16), picture(16, 18)]}, "differ in size"),
    "an image of the wrong size": ({"x": picture(20, 24)}, "does not take images of 24×20"),
    "numbers of a normalisation": ({"x": picture(16, 16), "preprocess": "0.5,0.5:1,1"}, "2 numbers for images of 3"),
    "class names": ({"class_names": 3}, "class names"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said(net: Net, what: str) -> None:
    more, words = WRONG[what]
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ArchvizError) as caught:
        archviz.explain(net, **{"x": torch.rand(1, 3, 16, 16), "method": "occlusion", **more})
    assert words in str(caught.value)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not net._forward_hooks and not net.training and all(p.requires_grad for p in net.parameters())


# ------------------------------------------------------------------------------------------------ weights

def state() -> dict[str, Tensor]:
    return {key: torch.full_like(value, 0.5) for key, value in Net().state_dict().items()}


SAVED: dict[str, Callable[[Path], None]] = {
    "plain.pt": lambda path: torch.save(state(), path),
    "training.pth": lambda path: torch.save({"state_dict": state(), "epoch": 3, "optimizer": {"lr": 0.1}}, path),
    "nested.pt": lambda path: torch.save({"model": {f"module.{key}": value for key, value in state().items()}}, path),
    "compiled.pt": lambda path: torch.save({f"module._orig_mod.{key}": v for key, v in state().items()}, path),
    "half.safetensors": lambda path: save_file({key: value.half() for key, value in state().items()}, path),
}


@pytest.mark.parametrize("name", SAVED)
def test_weights_are_found_however_they_were_saved(name: str, tmp_path: Path) -> None:
    SAVED[name](tmp_path / name)
    found = archviz.explain(Net, torch.ones(1, 3, 16, 16), method="occlusion", weights=tmp_path / name)
    net = Net()
    net.load_state_dict(state())
    np.testing.assert_allclose(found.output, net(torch.ones(1, 3, 16, 16)).max(1).values.detach(), rtol=1e-6)


def test_tied_weights_are_saved_once_and_are_not_missing(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
            self.b.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x))

    path = tmp_path / "w.safetensors"
    save_file({key: value for key, value in Tied().state_dict().items() if key != "b.weight"}, path)
    assert archviz.explain(Tied, torch.ones(1, 4), method="occlusion", weights=path).output.shape == (1,)


class Malicious:
    def __reduce__(self) -> Any:
        return exec, ("open('pwned', 'w')",)


def checkpoints(folder: Path) -> None:
    good = torch.load(folder / "w.pt", weights_only=True)
    other = {key: value for key, value in good.items() if not key.startswith("norm")}
    old = {f"old.{i}": torch.zeros(1) for i in range(9)}
    torch.save({**other, "head.weight": torch.zeros(4, 7), **old}, "other.pt")
    torch.save({"conv.weight": good["conv.weight"]}, "part.pt")
    torch.save({"weights": Malicious()}, "evil.pt")
    torch.save({"epoch": 3}, "empty.pt")
    Path("torn.pt").write_bytes(Path("w.pt").read_bytes()[:300])
    Path("torn.safetensors").write_bytes(b"not at all")
    Path("text.pt").write_text("hello")


CHECKPOINTS = {
    "other.pt": ["not those of Net", "missing: norm.weight, norm.bias, norm.running_mean, norm.running_var and 1 more",
                 "unexpected: old.0, old.1, old.2, old.3 and 5 more",
                 "head.weight is 4×7, the model has 4×128"],
    "part.pt": ["missing: conv.bias"],
    "evil.pt": ["a checkpoint is never run", "exec"],
    "empty.pt": ["holds no weights"],
    "torn.pt": ["torn.pt cannot be read as weights"],
    "torn.safetensors": ["not a safetensors file"],
    "text.pt": ["text.pt"],
    "lost.pt": ["there is no file lost.pt"],
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_does_not_fit_is_told_and_never_run(name: str, folder: Path, main: Main) -> None:
    checkpoints(folder)
    before = contents(folder)
    code, out, err = main("explain", "model.py", "--weights", name, "--image", "cat.png", "--method", "occlusion")
    assert code == 2 and out == "" and err.startswith("archviz: error: "), err
    assert all(words in err for words in CHECKPOINTS[name]), err
    assert contents(folder) == before


# ------------------------------------------------------------------------------------------------ images and texts

def test_pixels_are_those_of_the_image() -> None:
    image = Image.fromarray(picture(8, 12))
    np.testing.assert_array_equal(pixels(image, 3), picture(8, 12).transpose(2, 0, 1).astype(np.float32) / 255)
    assert pixels(image, 1).shape == (1, 8, 12)
    np.testing.assert_allclose(pixels(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), 3), 1)     # transparent: white
    np.testing.assert_allclose(pixels(Image.fromarray(np.full((4, 4), 65535, np.uint16)), 1), 1)
    turned = Image.fromarray(picture(8, 12))
    turned.getexif()[0x0112] = 6        # the camera was held upright
    assert archviz.explain(lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), turned,
                           method="occlusion").input_map.shape == (1, 12, 8)


def test_an_image_is_resized_by_its_shorter_side_and_cut_in_the_middle() -> None:
    image = Image.fromarray(picture(20, 60))
    cut = fitted(image, (10, 10))
    assert cut.size == (10, 10)
    assert abs(int(np.asarray(cut)[5, 5, 0]) - 127) < 9     # the middle stays where it is
    assert 75 < int(np.asarray(cut)[0, 0, 0]) < 95          # a third of it is cut off on the left
    assert fitted(image, (10, 10), 20).size == (10, 10)
    assert abs(int(np.asarray(fitted(image, (10, 10), 20))[0, 0, 0]) - 25 * 255 / 60) < 9
    assert fitted(image, (20, 60)) is image


@pytest.mark.parametrize("value", [
    {"size": 16, "mean": [0.1, 0.2, 0.3], "std": 0.5},
    {"size": {"shortest_edge": 18}, "crop_size": {"height": 16, "width": 16}, "image_mean": [0.1, 0.2, 0.3],
     "image_std": [0.5, 0.5, 0.5], "do_normalize": True, "do_center_crop": True},
    "0.1,0.2,0.3:0.5"], ids=["plain", "transformers", "word"])
def test_normalisations(value: Any) -> None:
    recipe = recipe_of(value, "here")
    assert recipe.size == (None if isinstance(value, str) else (16, 16))
    batch = np.full((1, 3, 2, 2), 0.5, np.float32)
    np.testing.assert_allclose(recipe.normalised(batch)[0, :, 0, 0], [0.8, 0.6, 0.4], atol=1e-6)
    np.testing.assert_allclose(recipe.restored(recipe.normalised(batch)), batch, atol=1e-6)


def test_the_model_file_says_how_images_are_prepared(folder: Path, main: Main) -> None:
    (folder / "sized.py").write_text(f"{MODEL}\npreprocess = dict(size=16, mean=[.5] * 3, std=[.25] * 3)\n")
    own = explained(main, "sized.py", "--weights", "w.pt", "--image", "cat.png", "--method", "occlusion")
    (folder / "sized.py").write_text(f"""{MODEL}
import numpy as np
def preprocess(image):
    return (torch.from_numpy(np.asarray(image.crop((4, 0, 20, 16)))).permute(2, 0, 1) / 255 - .5) / .25
""")
    code = explained(main, "sized.py", "--weights", "w.pt", "--image", "cat.png", "--method", "occlusion")
    asked = explained(main, "model.py", "--weights", "w.pt", "--image", "cat.png", "--method", "occlusion", "--size",
                      "16", "--normalize", "0.5:0.25")
    for found in (code, asked):
        np.testing.assert_allclose(found["occlusion/0/inputs//in:x"], own["occlusion/0/inputs//in:x"], atol=1e-5)
    np.testing.assert_allclose(own["occlusion/0/shown//in:x"], asked["occlusion/0/shown//in:x"])
    assert "image of 24×16 pixels resized and cut to 16×16" in str(own["about"])


def test_the_target_is_told_and_a_map_of_zeros_too(folder: Path, main: Main) -> None:
    negative = "[nn.init.constant_(p, -1.0) for p in net.head.parameters()]"
    (folder / "dark.py").write_text(f"{MODEL}\n\ndef build():\n    net = Net()\n    {negative}\n    return net\n")
    code, _, told = main("explain", "dark.py:build", "--image", "cat.png", "--size", "16", "--method",
                         "gradcam,saliency", "--target", "2", "-o", "dark.svg")
    assert code == 0 and told.count("archviz: target: class 2\n") == 1, told
    assert told.count("0 everywhere") == told.count("Grad-CAM, class 2: the map is 0 everywhere") == 1


def test_images_are_brought_to_the_size_that_is_known_and_that_is_said(folder: Path, main: Main) -> None:
    Image.fromarray(picture(40, 40)).convert("L").save("grey.png")
    code, _, err = main("explain", "sized.py", "--weights", "w.pt", "--image", "cat.png", "--image", "grey.png",
                        "--method", "occlusion", "-o", "two.npz")
    assert code == 0 and "2 images of 24×16 pixels resized and cut to 16×16" in err and "wrote two.npz" in err
    assert np.load("two.npz")["occlusion/0/inputs//in:x"].shape == (2, 16, 16)
    code, _, err = main("explain", "model.py", "--arg", "channels=1", "--image", "grey.png", "--method", "occlusion",
                        "-o", "one.npz")
    assert code == 0 and np.load("one.npz")["occlusion/0/shown//in:x"].shape == (1, 1, 40, 40)
    assert "say --weights" in err and "not normalised" in err


WORDS = """
import torch
from torch import nn

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(128, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, tokens):
        return self.head(self.embed(tokens).relu().mean(1))
"""


def test_a_text_goes_through_the_tokenizer_of_the_file(folder: Path, main: Main) -> None:
    (folder / "broken.py").write_text(f"{WORDS}\ndef encode(text): return [ord(c) for c in text]\n")
    how = "--method", "occlusion", "--target", "1"
    words = explained(main, "broken.py", "--text", "hello", *how)
    (folder / "model.py").write_text(WORDS)
    ids = explained(main, "model.py", "--input", "tokens=[[104, 101, 108, 108, 111]]", *how)
    np.save("ids.npy", [[104, 101, 108, 108, 111]])
    read = explained(main, "model.py", "--input", "ids.npy", *how)
    for found in (words, ids, read):
        assert found["occlusion/0/inputs/embed"].shape == (1, 5)
        np.testing.assert_allclose(found["occlusion/0/inputs/embed"], words["occlusion/0/inputs/embed"], atol=1e-6)


# ------------------------------------------------------------------------------------------------ too little memory

def test_where_memory_runs_out_the_work_is_done_in_smaller_pieces(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(5, 3, 16, 16)
    whole = archviz.explain(net, x, method=["occlusion", "ig", "smoothgrad", "lrp"])
    small = archviz.explain(net, x, method=["occlusion", "ig", "smoothgrad", "lrp"], budget="500kB")
    for one, other in zip(whole, small, strict=True):
        np.testing.assert_allclose(one.to_numpy(), other.to_numpy(), atol=1e-5 * np.abs(one.to_numpy()).max())
    budgets = []

    def starved(subject: Any, **options: Any) -> list[Attribution]:
        budgets.append(subject.budget)
        if subject.budget > 2_000_000:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 800000000 bytes")
        return whole_saliency(subject, **options)

    saliency = plugins.find("methods", "saliency")
    whole_saliency = saliency.attribute
    monkeypatch.setattr(saliency, "attribute", starved)
    found = archviz.explain(net, x, method="saliency", budget="20MB")
    assert budgets == [20_000_000, 5_000_000, 1_250_000] and found.input_map.shape == (5, 16, 16)
    with pytest.raises(ArchvizError, match="memory runs out, also in pieces of"):
        archviz.explain(net, x, method="saliency", budget="2GB")


class Starved(Net):
    """Memory lasts for `most` samples, and calls number `fails` find none."""

    most: int = 10**6
    fails: tuple[int, ...] = ()
    seen: list[int] = []        # rows of each call; of the class, as a model's own attributes are restored

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if len(x) > self.most or len(self.seen) in self.fails:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 800000000 bytes")
        return super().forward(x)


@pytest.mark.parametrize("method", ["occlusion", "ig", "smoothgrad", "lrp"])
@pytest.mark.parametrize(("most", "fails"), [(5, ()), (10**6, (1,)), (10**6, (2,)), (10**6, (2, 3))])
def test_memory_that_runs_out_on_the_way_never_changes_a_result(
        method: str, most: int, fails: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model, x = Starved().eval(), torch.rand(3, 3, 16, 16)
    whole = archviz.explain(model, x, method=method, budget="1GB")
    model.most, model.fails = most, fails
    model.seen.clear()
    again = archviz.explain(model, x, method=method, budget="1GB")
    np.testing.assert_allclose(again.to_numpy(), whole.to_numpy(), atol=1e-5 * np.abs(whole.to_numpy()).max())
    if method in ("ig", "smoothgrad"):
        assert len(model.seen) > max(fails, default=0) and (fails or max(model.seen) > most), "memory lasted"


def test_memory_for_fewer_than_all_samples_is_said() -> None:
    model = Starved().eval()
    model.most = 3
    with pytest.raises(ArchvizError, match="memory runs out"):
        archviz.explain(model, torch.rand(5, 3, 16, 16), method="saliency")


def test_too_little_memory_for_one_sample_is_said(net: Net) -> None:
    with pytest.raises(ArchvizError, match="one sample does not fit"):
        archviz.explain(net, torch.rand(1, 3, 16, 16), method="lrp", budget=1000)


# ------------------------------------------------------------------------------------------------ on the command line

MISTAKES: dict[str, tuple[list[str], list[str]]] = {
    "no model": ([], ["MODEL"]),
    "a graph": (["graph.json"], ["holds no weights"]),
    "unknown option": (["model.py", "--metod", "lrp"], ["--metod"]),
    "unknown method": (["model.py", "--method", "oclusion"], ["did you mean occlusion"]),
    "unknown option of a method": (["model.py", "--option", "windw=3"], ["did you mean window"]),
    "option without value": (["model.py", "--option", "window"], ["cannot read --option 'window'", "key=value"]),
    "an image that is not there": (["model.py", "--image", "dog.png"], ["there is no image dog.png"]),
    "an image that is none": (["model.py", "--image", "w.pt"], ["w.pt is not an image"]),
    "an image that is torn": (["model.py", "--image", "torn.png"], ["torn.png"]),
    "an image of the wrong size": (["strict.py", "--image", "cat.png"],
                                   ["does not take images of 24×16 pixels", "say --size"]),
    "a size that is none": (["model.py", "--size", "3x"], ["no size of an image"]),
    "image and text": (["model.py", "--image", "cat.png", "--text", "x"], ["both given"]),
    "a text without tokenizer": (["model.py", "--text", "x"], ["needs a tokenizer"]),
    "a tokenizer that is none": (["model.py", "--text", "x", "--tokenizer", "cat.png"], ["not a tokenizer"]),
    "nothing to explain": (["model.py"], ["nothing to explain", "--image"]),
    "a target": (["model.py", "--image", "cat.png", "--target", "7"], ["no class 7", "0 … 3"]),
    "no device": (["model.py", "--image", "cat.png", "--device", "cuda:7"], ["no device cuda:7"]),
    "a device nobody knows": (["model.py", "--image", "cat.png", "--device", "gpu"], ["no device 'gpu'"]),
    "a dtype": (["model.py", "--image", "cat.png", "--dtype", "flaot32"], ["did you mean float32"]),
    "a budget": (["model.py", "--image", "cat.png", "--budget", "lots"], ["no amount of memory"]),
    "a suffix": (["model.py", "--image", "cat.png", "-o", "a.svgg"], ["did you mean svg"]),
    "numbers on an architecture": (["model.py", "--image", "cat.png", "--overlay", "a.npz"], ["npz"]),
    "two methods on an architecture": (["model.py", "--method", "occlusion,saliency", "--overlay", "a.svg"],
                                       ["2 were named"]),
    "a method that does not suit": (["flat.py", "--image", "cat.png", "--method", "gradcam"], ["no feature map"]),
    "no pooled head": (["model.py", "--image", "cat.png", "--method", "cam"], ["CAM: ", "Grad-CAM"]),
    "a path without a gradient": (["cut.py", "--image", "cat.png", "--method", "saliency"],
                                  ["does not depend on /in:x in a way that has a gradient", "the last node with a "
                                   "gradient is /mean", "occlusion"]),
    "a style": (["model.py", "--image", "cat.png", "--style", "blok"], ["did you mean block"]),
    "class names that are not there": (["model.py", "--class-names", "names.txt"], ["names.txt"]),
    "an array that is none": (["model.py", "--input", "x=cat.npy"], ["cat.npy"]),
    "an input of no such name": (["model.py", "--input", "y=1x3x8x8"], ["takes no input 'y'"]),
    "an input the model does not take": (["strict.py", "--input", "1x3x8x8"], ["the model raised"]),
    "no such model": (["modle.py"], ["did you mean model.py"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line_and_touches_no_file(mistake: str, folder: Path, main: Main) -> None:
    (folder / "torn.png").write_bytes((folder / "cat.png").read_bytes()[:60])
    (folder / "strict.py").write_text(MODEL.replace("adaptive_avg_pool2d", "max_pool2d"))
    (folder / "cat.npy").write_text("x")
    begun = MODEL.replace("self.head(F.adaptive_avg_pool2d(F.relu(", "self.read(F.relu(")
    (folder / "cut.py").write_text(begun.replace(", 4).flatten(1))", """.mean((2, 3)))

    def read(self, features):
        return F.one_hot(features.argmax(1), 8).float()"""))
    (folder / "flat.py").write_text("from torch import nn\ndef net() -> nn.Module:\n    return "
                                   "nn.Sequential(nn.Flatten(), nn.LazyLinear(4))\n")
    before = contents(folder)
    arguments, words = MISTAKES[mistake]
    method = [] if "--method" in arguments else ["--method", "occlusion"]
    code, out, err = main("explain", *arguments, *method)
    said = [line for line in err.splitlines() if not line.endswith(" …")]
    assert code == 2 and out == "" and said[0].startswith("archviz: error: "), err
    assert all(line.startswith("  ") for line in said[1:]) and "fault" not in err, err
    assert all(word in err for word in words), err
    assert contents(folder) == before


def test_pictures_and_figures_are_written_together(folder: Path, main: Main) -> None:
    names = ["a.svg", "a.pdf", "a.png", "a.tex", "a.html", "a.npz"]
    over = ["b.svg", "b.pdf", "b.png", "b.tex", "b.html"]
    Path("names.json").write_text('["a<b", "c", "d", "e"]')
    arguments = ["explain", "sized.py", "--weights", "w.pt", "--image", "cat.png", "--method", "lrp", "--width=84mm",
                 *(f"--output={name}" for name in names), *(f"--overlay={name}" for name in over), "--class-names",
                 "names.json", "--caption"]
    code, out, err = main(*arguments)
    assert code == 0 and f"wrote {', '.join([*names, *over])}" in err and "LRP for top 1 (class " in out, err
    for name in names + over:
        assert Path(name).stat().st_size > 500
    assert "<image" in Path("a.svg").read_text() and "data-node" not in Path("a.svg").read_text()
    assert 'data-node="conv"' in Path("b.svg").read_text() and "LRP" in Path("b.svg").read_text()
    written = contents(folder)
    assert main(*arguments)[0] == 0 and contents(folder) == written


def test_the_figure_below_is_that_of_the_model(folder: Path, main: Main) -> None:
    (folder / "archviz.yaml").write_text("models: {Net: {layers: {conv: {label: Stem}}}}\n")
    code, _, err = main("explain", "sized.py", "--image", "cat.png", "--method", "gradcam", "--nodes", "*relu*",
                        "--overlay", "b.svg", "--style", "cube", "--theme", "mono", "--title", "Our net")
    assert code == 0, err
    drawn = Path("b.svg").read_text()
    assert "Our net" in drawn and "Stem" in drawn and "Grad-CAM" in drawn and not Path("sized-explained.svg").exists()


def test_the_default_file_is_named_after_the_model_and_replaces_only_ours(folder: Path, main: Main) -> None:
    arguments = ("explain", "model.py:Net", "--image", "cat.png", "--method", "saliency", "--quiet")
    assert main(*arguments) == (0, "", "")
    assert Path("Net-explained.svg").is_file() and main(*arguments)[0] == 0
    Path("Net-explained.svg").write_text("mine")
    code, _, err = main(*arguments)
    assert code == 2 and "Net-explained.svg is there" in err and Path("Net-explained.svg").read_text() == "mine"
    assert main(*arguments, "--force")[0] == 0


@pytest.mark.parametrize("wrong", ["an operation", "weights", "an input"])
def test_the_first_node_that_is_not_finite_is_named_and_drawn(wrong: str, folder: Path, main: Main) -> None:
    (folder / "model.py").write_text(MODEL.replace("F.relu(self.norm(", "self.root(self.norm(") + """
    def root(self, x):
        return F.relu(x.sub(1e3).sqrt())
""" if wrong == "an operation" else MODEL)
    more: list[str] = []
    if wrong == "weights":
        held = torch.load("w.pt", weights_only=True)
        held["norm.weight"][3] = float("nan")
        torch.save(held, "w.pt")
        more = ["--weights", "w.pt"]
    if wrong == "an input":
        x = np.ones((1, 3, 8, 8), np.float32)
        x[0, 0, 2, 2] = np.nan
        np.save("x.npy", x)
    given = ["--input", "x.npy"] if wrong == "an input" else ["--image", "cat.png"]
    code, out, err = main("explain", "model.py", *given, *more, "--method", "saliency", "-o", "a.svg", "-o", "a.npz",
                          "--overlay", "b.svg")
    assert code == 1 and out == "", err
    named = {"an operation": "/sqrt is the first to give NaN, of finite inputs",
             "weights": "norm is the first to give NaN, as its norm.weight does",
             "an input": "the input x holds NaN"}[wrong]
    assert f"is nan: {named}" in err and "a.svg, b.svg shows where" in err
    assert not Path("a.npz").exists() and "NaN" in Path("a.svg").read_text()


# ------------------------------------------------------------------------------------------------ recording

def test_what_is_recorded_is_painted_and_written(folder: Path, main: Main) -> None:
    (folder / "photos").mkdir()
    for n in range(3):
        Image.fromarray(np.roll(picture(16, 16), 5 * n, 1)).save(folder / "photos" / f"{n}.png")
    held = torch.load("w.pt", weights_only=True)
    held["norm.bias"][:] = torch.tensor([-99.0] * 3 + [1.0] * 5)
    torch.save(held, "w.pt")
    arguments = ("record", "model.py", "--weights", "w.pt", "--image", "photos", "--stat", "sparsity,mean")
    code, out, err = main(*arguments, "-o", "a.svg", "-o", "a.npz", "--caption")
    assert code == 0, err
    assert "/relu: 3 of 8 channels are dead" in err and "wrote a.svg, a.npz" in err and "Net" in out
    assert "share of zeros" in Path("a.svg").read_text() and "dead" in Path("a.svg").read_text()
    read = archviz.Recording.load("a.npz")
    assert read.samples == 3 and read["/relu"].sparsity >= 3 / 8 and read.marks == {"/relu": "dead 3/8"}
    assert main(*arguments[:-2], "--stat", "values", "--style", "cube", "--quiet") == (0, "", "")
    assert "<image" in Path("model-recorded.svg").read_text()
    for wrong, words in {("--stat", "maen"): "did you mean mean", ("--nodes", "cnov"): "did you mean conv",
                         ("--image", "lost"): "there is no image lost", ("-o", "a.xyz"): "xyz"}.items():
        code, out, err = main(*arguments, *wrong)
        assert code == 2 and out == "" and words in err, err


def test_help_needs_no_torch(run: Run) -> None:
    without = {"PYTHONPATH": f"{ROOT / 'tests' / 'no_torch'}:{ROOT}"}
    result = run("explain", "--help", env=without)
    assert result.returncode == 0 and "--weights FILE" in result.stdout and "examples:" in result.stdout
    refused(run("explain", "model.py", "--method", "oclusion", env=without), "did you mean occlusion")
    told = run("explain", "model.py", "--method", "occlusion", env=without)
    assert told.returncode == 2 and "PyTorch is not installed" in told.stderr


METHOD = '''
"""How bright a place is, times a number."""
from archviz import Attribution

TITLE = "Brightness"


def attribute(subject, times=1.0):
    x = subject.batch.args[0]
    return [Attribution("bright", TITLE, target.name, subject.scores(subject.base)[0].detach().numpy(),
                        {"/in:x": times * x.mean(1).numpy()}, {"/in:x": x.numpy()}) for target in subject.targets]
'''


def test_a_package_brings_a_method(run: Run, folder: Path) -> None:
    site = folder / "site"
    (site / "lamp-1.0.dist-info").mkdir(parents=True)
    (site / "lamp-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lamp\nVersion: 1.0\n")
    (site / "lamp-1.0.dist-info" / "entry_points.txt").write_text("[archviz.methods]\nbright = lamp\n")
    (site / "lamp.py").write_text(METHOD)
    env = {"PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
    assert "bright" in run("--list", "methods", env=env).stdout.split()
    refused(run("explain", "model.py", "--image", "cat.png", "--method", "brigt", env=env), "did you mean bright?")
    done = run("explain", "model.py", "--weights", "w.pt", "--image", "cat.png", "--method", "bright,saliency",
               "--option", "bright.times=2", "--budget", "1GB", "-o", "a.npz", "--quiet", env=env)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    held = np.load("a.npz")
    np.testing.assert_allclose(held["bright/0/inputs//in:x"], 2 * held["bright/0/shown//in:x"].mean(1), atol=1e-6)
    assert held["saliency/0/inputs//in:x"].shape == (1, 16, 24)


def test_an_unknown_suffix_names_all_that_can_be_written(main: Main) -> None:
    code, _, err = main("explain", ROOT / "gallery" / "digits.py", "-o", "a.foo")
    assert code == 2 and "no output has the suffix foo" in err and ", npz, pdf," in err
