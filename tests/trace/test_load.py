"""Targets, constructor arguments and inputs: what a user may write, and what each mistake says."""
from __future__ import annotations

import importlib
import sys

import pytest
import torch
from torch import nn

import tests.peers  # noqa: F401  transformers imports torchvision where that is installed
from archviz.core.errors import ArchvizError
from archviz.trace.source import guess, values
from archviz.trace.source.load import Loaded, load
from archviz.trace.source.specs import from_specs

HEADER = "import torch\nfrom torch import nn\n"
NET = """
class Net(nn.Module):
    def __init__(self, width=8, classes=10):
        super().__init__()
        self.fc = nn.Linear(width, classes)
    def forward(self, x):
        return self.fc(x)
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file into an empty working folder and give back its path; imports are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    before, path = set(sys.modules), list(sys.path)

    def write(text: str, name: str = "model.py") -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HEADER + text)
        return str(file)

    yield write
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]
    sys.path[:] = path


def error(target: str, *args: str) -> ArchvizError:
    with pytest.raises(ArchvizError) as caught:
        load(target, args).build()
    assert "\n" not in caught.value.message
    return caught.value


def shapes(given: guess.Inputs) -> list[tuple[int, ...]]:
    return [tuple(t.shape) for t in (*given.args, *given.kwargs.values())]


# ---------------------------------------------------------------------------------------------- targets

def test_a_file_with_one_model_needs_no_name(write):
    loaded = load(write(NET))
    assert loaded.name == "Net" and loaded.instance is None
    assert isinstance(loaded.build(), nn.Module) and loaded.build() is not loaded.build()


def test_a_class_an_instance_and_a_factory_by_name(write):
    target = write(NET + "net = Net(4)\ndef make(width: int = 5):\n    return Net(width)\n")
    assert load(f"{target}:Net").build().fc.in_features == 8
    instance = load(f"{target}:net")
    assert instance.instance is instance.build() and instance.name == "Net" and instance.build().fc.in_features == 4
    assert load(f"{target}:make", ["width=6"]).build().fc.in_features == 6


def test_a_module_by_its_dotted_name_with_the_working_folder_on_the_path(write):
    write("", "pkg/__init__.py")
    write(NET, "pkg/nets.py")
    assert load("pkg.nets:Net").build().fc.in_features == 8
    assert load("pkg.nets").name == "Net"


def test_a_file_inside_a_package_may_import_its_neighbours(write):
    write("", "pack/__init__.py")
    write("class Part(nn.Linear):\n    pass\n", "pack/parts.py")
    target = write("""
from .parts import Part
class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part(3, 4)
    def forward(self, x):
        return self.part(x)
""", "pack/whole.py")
    assert load(target).name == "Whole"


def test_a_file_may_import_the_file_beside_it(write, monkeypatch, tmp_path):
    write("WIDTH = 12\n", "deep/settings_of_net.py")
    target = write("from settings_of_net import WIDTH\n" + NET.replace("width=8", "width=WIDTH"), "deep/net_beside.py")
    assert load(target).build().fc.in_features == 12


def test_files_of_the_same_name_in_two_folders_are_told_apart(write):
    """As in documentation of several examples, which one process draws."""
    models = {}
    for folder, size in (("one", 7), ("two", 9)):
        write(f"def layer(): return nn.Linear({size}, 1)", f"{folder}/layers.py")
        write("", f"{folder}/nets/__init__.py")
        write(f"SIZE = {size}", f"{folder}/nets/sizes.py")
        models[folder] = (
            write("from layers import layer\ndef net(): return layer()", f"{folder}/model.py"),
            write("from .sizes import SIZE\ndef net(): return nn.Linear(SIZE, 1)", f"{folder}/nets/net.py"))
    for folder, size in (("one", 7), ("two", 9), ("one", 7)):
        assert [load(f"{file}:net").build().in_features for file in models[folder]] == [size, size]


def test_a_file_is_not_taken_for_the_module_of_its_name(write, monkeypatch, tmp_path):
    installed = write("", "site/nets/__init__.py")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    importlib.import_module("nets")
    path = write("model = nn.Linear(1, 2)", "here/nets/__init__.py")
    raised = error(f"{path}:model")
    assert raised.message == f"nets is {installed}, which is in use already, and not {path}"
    assert raised.hint == "name nets instead of the file, if it is the same"


def test_a_file_called_like_a_library_does_not_replace_it(write):
    load(write(NET, "json.py"))
    import json
    assert json.loads("[1]") == [1]


def test_a_file_is_read_again_after_an_edit(write):
    assert load(write(NET)).build().fc.in_features == 8
    assert load(write(NET.replace("width=8", "width=800"))).build().fc.in_features == 800


def test_parts_of_a_model_are_not_the_model(write):
    target = write("""
class Block(nn.Module):
    def forward(self, x):
        return x
class Stage(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(make(3))
    def forward(self, x):
        return x
def make(n):
    return [Block() for _ in range(n)]
class Base(nn.Module):
    pass
class Net(Base):
    def __init__(self):
        super().__init__()
        self.stage = Stage()
    def forward(self, x):
        return self.stage(x)
""")
    assert load(target).name == "Net"


def test_a_factory_wins_over_the_class_it_builds(write):
    target = write(NET + "def tiny_net() -> nn.Module:\n    return Net(2)\n")
    loaded = load(target)
    assert loaded.name == "tiny_net" and loaded.build().fc.in_features == 2


def test_an_instance_wins_over_its_class(write):
    assert load(write(NET + "net = Net(3)\n")).instance is not None


def test_several_models_are_listed(write):
    target = write(NET + NET.replace("Net", "Other"))
    caught = error(target)
    assert "2 models: Net, Other" in caught.message and f"archviz {target}:Net" in caught.hint


def test_what_the_file_prints_and_reads_from_the_command_line_is_kept_apart(write, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["archviz", "model.py", "--style", "block"])
    load(write("import sys\nassert sys.argv[1:] == []\nprint('hello')\n" + NET)).build()
    captured = capsys.readouterr()
    assert captured.out == "" and "hello" in captured.err and sys.argv[1:] == ["model.py", "--style", "block"]


# ---------------------------------------------------------------------------------------------- mistakes

def test_a_missing_file_names_its_neighbours(write):
    write(NET)
    caught = error("modle.py")
    assert "there is no file modle.py" in caught.message and "model.py" in caught.hint


def test_a_missing_module_and_a_forgotten_suffix(write):
    write(NET, "sub/lonely.py")
    assert "did you mean sub/lonely.py:Net?" in error("sub/lonely:Net").hint
    assert "there is no module nowhere_at_all" in error("nowhere_at_all:Net").message
    assert "there is no module torch.nowhere" in error("torch.nowhere:Net").message


def test_a_wrong_name_of_a_lazy_module_is_met_with_the_nearest():
    assert "did you mean BertModel" in error("transformers:BertModl").hint


def test_a_wrong_name_is_met_with_the_nearest(write):
    caught = error(write(NET) + ":Nte")
    assert "there is no Nte" in caught.message and "did you mean Net?" in caught.hint


@pytest.mark.parametrize(("text", "line", "what"), [
    ("import no_such_library\n", 3, "ModuleNotFoundError: No module named 'no_such_library'"),
    ("x = 1\ny = x.z\n", 4, "AttributeError"),
    ("def broken(:\n", 3, "SyntaxError"),
    ("raise ValueError('first\\nsecond')\n", 3, "ValueError: first second"),
])
def test_an_error_in_the_file_is_one_line_with_its_place(write, text, line, what):
    caught = error(write(text, "faulty.py"))
    assert f"faulty.py:{line}: {what}" in caught.message


def test_an_error_deeper_down_is_blamed_on_the_users_frame(write):
    caught = error(write("nn.Linear(-1, 'two')\n", "faulty.py"))
    assert caught.message.startswith("faulty.py:3: ")


def test_what_lies_behind_an_error_is_told(write):
    caught = error(write("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    "
                         "raise ModuleNotFoundError('could not import it') from error\n"))
    assert "could not import it" in caught.message and caught.hint == "because of ZeroDivisionError: division by zero"


def test_a_file_that_exits(write):
    caught = error(write("raise SystemExit(3)\n"))
    assert "ends the program" in caught.message and "__main__" in caught.hint


def test_a_file_without_a_model(write):
    assert "there is no model in" in error(write("x = 1\ndef f(x):\n    return x\n")).message


@pytest.mark.parametrize(("name", "what"), [("words", "a list"), ("torch", "a module"), ("Plain", "a class")])
def test_something_that_is_no_model(write, name, what):
    target = write("words = []\nclass Plain:\n    pass\n") + f":{name}"
    assert f"{target} is {what}, not a model" in error(target).message


def test_a_folder(write, tmp_path):
    write(NET, "nets/small.py")
    caught = error("nets/")
    assert "nets/ is a folder" in caught.message and "nets/small.py" in caught.hint


def test_a_compiled_model_is_an_instance_like_any_other(write):
    target = write(NET + "net = torch.compile(Net(4))\n") + ":net"
    assert load(target).instance is not None


def test_a_factory_that_gives_something_else(write):
    assert "gave a dict, not a model" in error(write("def make():\n    return {}\n") + ":make").message


@pytest.mark.parametrize("target", ["weights.pt", "no such thing", "a/b/c", "", "net.onnx", "notebook.ipynb"])
def test_a_target_that_is_none(target):
    assert error(target).hint


# ---------------------------------------------------------------------------------------------- --arg

def test_arguments_are_literals_or_else_strings(write):
    target = write("""
class Net(nn.Module):
    def __init__(self, *, sizes, act, p=0.5, deep=False):
        super().__init__()
        self.given = (sizes, act, p, deep)
    def forward(self, x):
        return x
""")
    net = load(target, ["sizes=[1, 2]", "act=relu", "p=1e-3", "deep=True"]).build()
    assert net.given == ([1, 2], "relu", 1e-3, True)
    caught = error(target, "act=relu")
    assert "needs an argument: sizes" in caught.message and "--arg sizes=" in caught.hint


def test_an_unknown_argument_names_the_accepted_ones(write):
    caught = error(write(NET), "clases=3")
    assert "no argument 'clases'" in caught.message
    assert "did you mean classes?" in caught.hint and "width, classes" in caught.hint


def test_an_argument_without_a_value(write):
    assert "cannot read --arg 'width'" in error(write(NET), "width").message


def test_an_argument_for_what_is_already_built(write):
    target = write(NET + "net = Net()\n")
    caught = error(f"{target}:net", "width=3")
    assert "already built" in caught.message and caught.hint.endswith(":Net")


def test_a_class_with_a_config_is_built_from_its_fields():
    loaded = load("transformers:GPT2LMHeadModel", ["n_layer=1", "n_embd=24", "n_head=2"])
    with torch.device("meta"):
        model = loaded.build()
    assert len(model.transformer.h) == 1 and model.config.n_embd == 24
    caught = error("transformers:GPT2LMHeadModel", "n_layers=1")
    assert "GPT2Config has no argument 'n_layers'" in caught.message and "n_layer" in caught.hint


# ---------------------------------------------------------------------------------------------- --input

class TwoInputs(nn.Module):
    def forward(self, image, input_ids, scale=1.0):
        return image, input_ids


def given(*specs: str, module: nn.Module | None = None) -> guess.Inputs:
    return from_specs(module or TwoInputs(), specs)


def test_specs_become_tensors():
    found = given("1x3x8x8", "input_ids=1×5:int64")
    assert shapes(found) == [(1, 3, 8, 8), (1, 5)]
    assert found.args[0].dtype is torch.float32 and found.kwargs["input_ids"].dtype is torch.int64
    assert given("7", "scale=0.5").kwargs == {"scale": 0.5} and shapes(given("3x4x5"))[0] == (3, 4, 5)
    assert given("image=2x2:bool").kwargs["image"].all()


def test_specs_without_a_dtype_take_the_one_that_fits():
    assert given("1x3x8x8", "1x5").args[1].dtype is torch.int64
    assert given("1x5", module=nn.Sequential(nn.Embedding(9, 3))).args[0].dtype is torch.int64
    assert given("1x5", module=nn.Linear(5, 3).half()).args[0].dtype is torch.float16


def test_a_number_beside_tokens_is_no_token_and_a_mask_is_said_to_be_whole_numbers():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(9, 3)

        def forward(self, tokens, gate, mask):
            return self.words(tokens) * gate * mask

    found = given("tokens=1x5", "gate=1x5", "mask=1x5", module=Gated())
    assert [found.kwargs[name].dtype for name in ("tokens", "gate", "mask")] == [
        torch.int64, torch.float32, torch.int64]
    assert found.note == "guessed int64 for mask=1x5"
    assert not given("tokens=1x5", "mask=1x5:float32", module=Gated()).note


def test_a_shape_that_is_a_tuple_is_said_how_to_write():
    with pytest.raises(ArchvizError, match="the input is 4 whole numbers") as caught:
        values.from_value((1, 1, 28, 28), "")
    assert caught.value.hint.startswith('write a shape as "1x1x28x28"')
    assert values.from_value((torch.zeros(2), 3), "").args[1] == 3


def test_a_dotted_name_is_an_entry_of_a_dict():
    found = given("image.left.raw=1x3x8x8", "image.right=2x2", "image.ids=1x5")
    assert found.kwargs["image"]["left"]["raw"].shape == (1, 3, 8, 8) and found.kwargs["image"]["right"].shape == (2, 2)
    assert found.kwargs["image"]["ids"].dtype is torch.int64


@pytest.mark.parametrize(("spec", "message", "hint"), [
    ("1x3xtwo", "cannot read --input '1x3xtwo'", "1x3x224x224"),
    ("0x3", "a size must be 1 or more", ""),
    ("1x3:flaot32", "no dtype 'flaot32'", "did you mean float32"),
    ("input_idz=1x3", "TwoInputs takes no input 'input_idz'", "did you mean input_ids?"),
])
def test_a_spec_that_cannot_be_read(spec, message, hint):
    with pytest.raises(ArchvizError) as caught:
        given(spec)
    assert message in caught.value.message and hint in caught.value.hint


def test_specs_win_over_examples(write):
    loaded = load(write(NET + "example_inputs = torch.ones(2, 8)\n"))
    module = loaded.build()
    assert shapes(loaded.inputs(module)) == [(2, 8)]
    assert shapes(loaded.inputs(module, ["5x8"])) == [(5, 8)]


@pytest.mark.parametrize(("text", "args", "kwargs"), [
    ("example_inputs = torch.ones(2, 8)", [(2, 8)], []),
    ("example_inputs = (torch.ones(2, 8),)", [(2, 8)], []),
    ("example_inputs = {'x': torch.ones(2, 8)}", [], ["x"]),
    ("def example_inputs():\n    return torch.ones(2, 8)", [(2, 8)], []),
    ("Net.example_inputs = [torch.ones(2, 8)]", [(2, 8)], []),
])
def test_example_inputs_of_a_file(write, text, args, kwargs):
    loaded = load(write(NET + text + "\n"))
    found = loaded.inputs(loaded.build())
    assert [tuple(a.shape) for a in found.args] == args and list(found.kwargs) == kwargs
    assert "example_inputs of" in found.note


@pytest.mark.parametrize("target", ["nets.models:Net", "nets:Net", "nets.models:build"])
def test_example_inputs_of_a_module_and_of_where_a_model_is_defined(write, target):
    write("from nets.models import Net\n", "nets/__init__.py")
    write(NET + "example_inputs = torch.ones(2, 8)\ndef build() -> Net:\n    return Net()\n", "nets/models.py")
    loaded = load(target)
    assert shapes(loaded.inputs(loaded.build())) == [(2, 8)]


def test_example_inputs_that_make_no_sense(write):
    loaded = load(write(NET + "example_inputs = 'an image'\n"))
    with pytest.raises(ArchvizError, match="is a str"):
        loaded.inputs(loaded.build())
    loaded = load(write(NET + "def example_inputs():\n    return 1 / 0\n"))
    with pytest.raises(ArchvizError, match="ZeroDivisionError"):
        loaded.inputs(loaded.build())


def test_an_example_array_made_on_meta_is_filled_with_numbers():
    class Lit(nn.Module):
        def __init__(self):
            super().__init__()
            self.example_input_array = torch.zeros(1, 4)

        def forward(self, x):
            return x

    with torch.device("meta"):
        module = Lit()
    found = guess.from_model(module)[0]
    assert not found.args[0].is_meta and "example_input_array" in found.note


def test_dummy_inputs_are_a_method_a_dict_or_broken():
    class Dummy(nn.Linear):
        @property
        def dummy_inputs(self):
            return {"input": torch.ones(3, 2)}

    class Broken(nn.Linear):
        @property
        def dummy_inputs(self):
            raise RuntimeError("no trainer")

    assert list(guess.from_model(Dummy(2, 2))[0].kwargs) == ["input"]
    assert "linear" in guess.from_model(Broken(2, 2))[0].note


# ---------------------------------------------------------------------------------------------- guesses

def net(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


@pytest.mark.parametrize(("module", "expected", "word"), [
    (net(nn.Conv2d(3, 8, 3)), (1, 3, 224, 224), "convolution"),
    (net(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(8 * 26 * 26, 2)), (1, 1, 28, 28), "1 channels"),
    (net(nn.Conv2d(1, 8, 3)), (1, 1, 224, 224), "convolution"),
    (net(nn.Conv2d(3, 6, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(6 * 14 * 14, 10)), (1, 3, 32, 32), "convolution"),
    (net(nn.Conv1d(1, 8, 3)), (1, 1, 16000), "convolution"),
    (net(nn.Conv3d(1, 8, 3)), (1, 1, 16, 112, 112), "convolution"),
    (net(nn.ConvTranspose2d(100, 8, 4)), (1, 100, 1, 1), "100 channels"),
    (net(nn.Embedding(50, 8)), (1, 128), "embedding"),
    (net(nn.Linear(784, 10)), (1, 784), "784 features"),
    (net(nn.Linear(7, 10), nn.BatchNorm1d(10)), (1, 7), "linear"),
    (nn.LSTM(5, 4, batch_first=True), (1, 32, 5), "recurrent"),
    (nn.GRU(5, 4), (32, 1, 5), "recurrent"),
    (nn.TransformerEncoderLayer(8, 2, batch_first=True), (1, 32, 8), "attention"),
    (net(nn.LayerNorm(6), nn.ReLU()), (1, 32, 6), "normalisation"),
    (net(nn.ReLU()), (1, 3, 224, 224), "no layer"),
])
def test_the_first_layers_tell_what_to_feed(module, expected, word):
    """The guess that is the first to run is the expected one."""
    module.eval()
    for found in guess.from_model(module):
        try:
            with torch.no_grad():
                module(*found.args, **found.kwargs)
        except RuntimeError:
            continue
        break
    assert shapes(found) == [expected]
    assert found.note.startswith("guessed " + "×".join(map(str, expected))) and word in found.note


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.text_encoder = nn.Embedding(100, 8)
        self.image_encoder = nn.Conv2d(3, 8, 3)

    def forward(self, image, tokens, attention_mask, t, *, flag=None):
        return self.image_encoder(image), self.text_encoder(tokens) * attention_mask[..., None] * t


def test_the_names_of_arguments_choose_among_the_layers():
    found = guess.from_model(Named())[0]
    assert shapes(found) == [(1, 3, 224, 224), (1, 128), (1, 128), (1,)]
    assert [a.dtype for a in found.args] == [torch.float32, torch.int64, torch.int64, torch.float32]
    Named()(*found.args)


def test_a_forward_without_arguments_and_one_with_any_number():
    class Nothing(nn.Module):
        def forward(self):
            return torch.ones(1)

    assert guess.from_model(Nothing())[0].args == ()
    assert shapes(guess.from_model(nn.Sequential(nn.Linear(3, 3)))[0]) == [(1, 3)]


def test_guesses_are_always_the_same_and_finite():
    first, second = guess.from_model(net(nn.Conv2d(3, 4, 3))), guess.from_model(net(nn.Conv2d(3, 4, 3)))
    assert all(torch.equal(a.args[0], b.args[0]) for a, b in zip(first, second, strict=True))
    assert first[0].args[0].isfinite().all() and first[0].args[0].std() > 0


def test_suggest_shows_the_option_to_write():
    assert guess.suggest(net(nn.Conv2d(3, 4, 3))) == "--input 1x3x224x224"
    assert guess.suggest(Named()) == ("--input image=1x3x224x224 --input tokens=1x128:int64 "
                                      "--input attention_mask=1x128:int64 --input t=1")


def test_a_suggestion_can_be_read_back():
    specs = guess.suggest(Named()).split("--input ")[1:]
    assert sorted(given(*map(str.strip, specs), module=Named()).kwargs) == ["attention_mask", "image", "t", "tokens"]


@pytest.mark.parametrize(("name", "size", "expected"), [
    ("resnet18", {"hidden_sizes": [8, 8], "depths": [1, 1], "embedding_size": 8}, {"pixel_values": (1, 3, 224, 224)}),
    ("vit", {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}, {"pixel_values": (1, 3, 224, 224)}),
    ("bert", {"num_hidden_layers": 1}, {"input_ids": (1, 128)}),
    ("t5", {"num_layers": 1}, {"input_ids": (1, 128), "decoder_input_ids": (1, 128)}),
    ("whisper", {"num_mel_bins": 40, "encoder_layers": 1, "decoder_layers": 1, "max_source_positions": 100},
     {"input_features": (1, 40, 200), "decoder_input_ids": (1, 128)}),
    ("wav2vec2", {"num_hidden_layers": 1}, {"input_values": (1, 16000)}),
    ("clip", {}, {"input_ids": (1, 77), "pixel_values": (1, 3, 224, 224)}),
])
def test_a_config_tells_what_to_feed(name, size, expected):
    from tests.zoo import CASES
    with torch.device("meta"):
        whole = CASES[name].build()
        module = type(whole)(type(whole.config)(**size))
    found = guess.from_model(module)[0]
    assert {k: tuple(v.shape) for k, v in found.kwargs.items()} == expected
    assert "config" in found.note


def test_the_inputs_of_a_zoo_factory_come_with_it():
    loaded = load("tests.zoo:unet")
    assert isinstance(loaded, Loaded) and loaded.name == "unet"
    assert shapes(loaded.inputs(nn.Identity())) == [(1, 1, 512, 512)]


# ---------------------------------------------------------------------------------------------- configurations

CONFIGURED = """
from dataclasses import dataclass

@dataclass
class Config:
    width: int = 4
    classes: int = 2

class Net(nn.Module):
    def __init__(self, cfg: Config, bias=True):
        super().__init__()
        self.a, self.b = nn.Linear(3, cfg.width), nn.Linear(cfg.width, cfg.classes, bias=bias)

    def forward(self, x):
        return self.b(self.a(x))
"""


def test_a_dataclass_that_a_model_is_built_from_is_made_of_its_fields(write):
    model = load(write(CONFIGURED), ["width=5", "bias=False"]).build()
    assert model.a.out_features == 5 and model.b.out_features == 2 and model.b.bias is None
    assert load(write(CONFIGURED)).build().a.out_features == 4
    caught = error(write(CONFIGURED), "widht=5")
    assert "Config has no argument 'widht'" in caught.message and "did you mean width?" in caught.hint
    required = CONFIGURED.replace("width: int = 4", "width: int")
    assert "Config: " in error(write(required)).message


def test_a_function_that_may_give_the_model_is_named(write):
    target = write("def build():\n    return nn.Linear(3, 2)\n", "figs.py")
    caught = error(target)
    assert "there is no model in" in caught.message and caught.hint.endswith(f"archviz {target}:build")


def test_a_package_is_called_what_it_is_installed_by(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert error(write("import sklearn\n")).hint == "install scikit-learn in the environment archviz runs in"
