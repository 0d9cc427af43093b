"""What figures were false about once: each kind as a small model, and every arrow that its figure has.

An arrow is written ``from → to`` with the words of the boxes, a sign with its name, an input and an output with theirs.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn import functional as F

import archviz
from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.drawing.labels import arrow_labels, looks
from archviz.figure.compile import compile
from archviz.figure.options import Options
from archviz.trace.ladder import Inputs, trace
from archviz.trace.source.guess import from_model, suggest
from tests import zoo
from tests.lint import lint

X = torch.zeros(1, 8)
LABELS = torch.zeros(2, dtype=torch.long)
BLOCK = Options().resolved()
quantization = torch.ao.quantization


def arrows(model: nn.Module | Callable[[], nn.Module], *inputs: Tensor) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = archviz.draw(model, inputs).drawn
    found = looks(drawn, BLOCK)
    words = {key: look.kind.name if look.glyph else look.lines[0][0] for key, look in found.items()}
    bands = {key: "".join(f" + {node}" for node in drawn.by_id[key].attrs.get("fused", ())) for key in words}
    return sorted(f"{words[edge.src]}{bands[edge.src]} → {words[edge.dst]}{bands[edge.dst]}" for edge in drawn.edges)


class Two(nn.Module):
    """Two layers whose results meet in `meet`."""

    def __init__(self, meet: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.meet, self.one, self.other = meet, nn.Linear(8, 4), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Any:
        return self.meet(self.one(x), self.other(x)[..., :4])


class Vmap(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(8, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.other(torch.relu(torch.vmap(self.one)(x)))


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(8, 4)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return torch.norm(self.encoder(left) - self.encoder(right), dim=1)


class Hyper(nn.Module):
    """One layer computes the weights of another."""

    def __init__(self) -> None:
        super().__init__()
        self.made, self.base = nn.Linear(4, 16), nn.Linear(8, 2, bias=False)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return torch.func.functional_call(self.base, {"weight": self.made(z).view(2, 8)}, (x,))


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.mean, self.v = nn.Linear(8, 6), nn.Linear(6, 3), nn.Linear(6, 1)
        self.log_std = nn.Parameter(torch.zeros(3))

    def forward(self, obs: Tensor) -> Any:
        hidden = torch.tanh(self.body(obs))
        return torch.distributions.Normal(self.mean(hidden), self.log_std.exp()), self.v(hidden)


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return -grad


class Adversarial(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features, self.label, self.domain = nn.Linear(8, 6), nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.features(x)
        return self.label(h), self.domain(Reverse.apply(h))


class Loss(nn.Module):
    """A target of whole numbers, and means of three sorts."""

    def __init__(self, reduce: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.one, self.reduce = nn.Linear(8, 4), reduce

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(self.reduce(self.one(x)), target)


class Nested(nn.Module):
    def __init__(self, layout: torch.layout) -> None:
        super().__init__()
        self.one, self.layout = nn.Linear(8, 4), layout

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.one(torch.nested.nested_tensor([a, b], layout=self.layout)).to_padded_tensor(0.0)


class Ways(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.start, self.one, self.other = nn.Linear(8, 6), nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.start(x)
        return torch.cond(h.sum() > 0, lambda h: self.one(h), lambda h: self.other(h), (h,))


class Flex(nn.Module):
    """One layer gives queries, keys and values, and is called by the first."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.out = nn.Linear(32, 96), nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Tensor:
        from torch.nn.attention.flex_attention import flex_attention

        q, k, v = self.q(x).view(1, 16, 3, 2, 16).permute(2, 0, 3, 1, 4)
        return self.out(flex_attention(q, k, v).transpose(1, 2).flatten(2))


class Stub(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv, self.relu, self.fc = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(4 * 6 * 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.dequant(self.fc(self.relu(self.conv(self.quant(x))).flatten(1)))


def quantized() -> nn.Module:
    model = Stub().eval()
    engine = "fbgemm" if "fbgemm" in torch.backends.quantized.supported_engines else "qnnpack"
    model.qconfig = quantization.get_default_qconfig(engine)
    model = quantization.fuse_modules(model, [["conv", "relu"]])
    quantization.prepare(model, inplace=True)
    model(torch.randn(4, 1, 8, 8))
    return quantization.convert(model)


@torch.library.custom_op("archviz_tests::swirl", mutates_args=())
def swirl(x: Tensor) -> Tensor:
    return torch.tanh(x) * 2


@swirl.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@torch.jit.script
def scripted(a: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(a) * b


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))


class Overriding(nn.Module):
    """Calls a list `modules`, as does a method of nn.Module."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4)
        self.modules = [self.layer]     # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        return self.modules[0](x)


class Gated(nn.Module):
    """What comes from beside is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)) * z) * z


class Adversaries(nn.Module):
    """One discriminator, of what is real and of what is made."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(16, 8 * 49), nn.Unflatten(1, (8, 7, 7)),
                                       nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1))
        self.discriminator = nn.Sequential(nn.Conv2d(1, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 4, 2, 1), nn.ReLU(),
                                           nn.Flatten(), nn.Linear(16 * 49, 1))

    def forward(self, z: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        return self.discriminator(self.generator(z)), self.discriminator(real)


class Named(nn.Module):
    """Two blocks of one resolution, and one of the next."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((3, 8), (8, 8), (8, 16))
        self.a, self.b, self.c = (nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.ReLU()) for i, o in widths)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(self.pool(self.b(self.a(x))))


BOTH = ["x → linear, 4", "x → linear, 5"]
PLAIN = ["input → linear, 6 + ReLU", "linear, 2 → output", "linear, 6 + ReLU → linear, 2"]
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[Tensor, ...], list[str]]] = {
    "complex numbers": (lambda: Two(lambda a, b: torch.complex(a, b).abs()), (X,), [
        *BOTH, "linear, 4 → complex", "linear, 5 → complex", "complex → output"]),
    "a drawn normal": (lambda: Two(lambda a, b: torch.normal(a, b.exp())), (X,), [
        *BOTH, "linear, 4 → ~ N(μ, σ²)", "linear, 5 → ~ N(μ, σ²)", "~ N(μ, σ²) → output"]),
    "a drawn bit": (lambda: Two(lambda a, b: torch.bernoulli(torch.sigmoid(a)) * b), (X,), [
        "x → linear, 4 + sigmoid", "x → linear, 5", "linear, 4 + sigmoid → ~ Bernoulli(p)", "linear, 5 → product",
        "~ Bernoulli(p) → product", "product → output"]),
    "a difference": (lambda: Two(lambda a, b: a - b), (X,), [
        *BOTH, "linear, 4 → difference", "linear, 5 → difference", "difference → output"]),
    "a difference of one function": (Siamese, (X, X), [
        "left → linear, 4, shared", "right → linear, 4, shared", "linear, 4, shared → difference",
        "linear, 4, shared → difference", "difference → norm", "norm → output"]),
    "noise": (lambda: Two(lambda a, b: torch.distributions.Normal(a, b.exp()).rsample()), (X,), [
        *BOTH, "linear, 5 → product", "ε ~ N(0, I) → product", "linear, 4 → sum", "product → sum", "sum → output"]),
    "vmap": (Vmap, (torch.zeros(5, 8),), [
        "x → linear, 4 + relu", "linear, 4 + relu → linear, 2", "linear, 2 → output"]),
    "computed weights": (Hyper, (torch.zeros(5, 8), torch.zeros(1, 4)), [
        "z → linear, 16", "x → linear, 2", "linear, 16 → linear, 2", "linear, 2 → output"]),
    "a distribution": (Policy, (X,), [
        "obs → linear, 6 + tanh", "linear, 6 + tanh → linear, 3", "linear, 6 + tanh → linear, 1", "linear, 3 → loc",
        "log std → scale", "linear, 1 → v"]),
    "an autograd function": (Adversarial, (X,), [
        "x → linear, 6", "linear, 6 → linear, 3", "linear, 6 → Reverse", "Reverse → linear, 2", "linear, 3 → label",
        "linear, 2 → domain"]),
    "a target, and a mean": (lambda: Loss(lambda h: h.mean(1)), (torch.zeros(2, 3, 8), LABELS), [
        "x → linear, 4", "linear, 4 → mean", "mean → cross-entropy", "target → cross-entropy",
        "cross-entropy → output"]),
    "a maximum": (lambda: Loss(lambda h: h.amax(1)), (torch.zeros(2, 3, 8), LABELS), [
        "x → linear, 4", "linear, 4 → max", "max → cross-entropy", "target → cross-entropy", "cross-entropy → output"]),
    "jagged tensors": (lambda: Nested(torch.jagged), (torch.zeros(5, 8), torch.zeros(3, 8)), [
        "a → linear, 4", "b → linear, 4", "linear, 4 → output"]),
    "nested tensors": (lambda: Nested(torch.strided), (torch.zeros(5, 8), torch.zeros(3, 8)), [
        "a → linear, 4", "b → linear, 4", "linear, 4 → output"]),
    "both ways of a condition": (Ways, (X,), [
        "x → linear, 6", "linear, 6 → linear, 4", "linear, 6 → linear, 4", "linear, 6 → where", "linear, 4 → where",
        "linear, 4 → where", "where → output"]),
    "flex attention": (Flex, (torch.zeros(1, 16, 32),), [
        "x → linear, 96", "linear, 96 → attention, 2 heads", "attention, 2 heads → linear, 8", "linear, 8 → output"]),
    "quantized layers": (quantized, (torch.zeros(1, 1, 8, 8),), [
        "x → Quantize", "Quantize → 3×3 conv, 4 + relu", "3×3 conv, 4 + relu → linear, 3", "linear, 3 → DeQuantize",
        "DeQuantize → output"]),
    "layers quantized as they run": (lambda: quantization.quantize_dynamic(plain(), {nn.Linear}), (X,), PLAIN),
    "an exported program": (lambda: torch.export.export(plain(), (X,)).module(), (X,), [
        line.replace("ReLU", "relu") for line in PLAIN]),
    "a custom operator": (lambda: Two(lambda a, b: torch.ops.archviz_tests.swirl(a) + b), (X,), [
        *BOTH, "linear, 4 → swirl", "swirl → sum", "linear, 5 → sum", "sum → output"]),
    "a scripted function": (lambda: Two(lambda a, b: scripted(a, b)), (X,), [
        "x → linear, 4 + tanh", "x → linear, 5", "linear, 4 + tanh → product", "linear, 5 → product",
        "product → output"]),
    "a model with modules of its own": (Overriding, (X,), ["x → linear, 4", "linear, 4 → output"]),
    "a gate read twice": (Gated, (X, X), [
        "x → linear, 8 + relu", "linear, 8 + relu → product", "z → product", "product → linear, 8",
        "linear, 8 → product", "z → product", "product → output"]),
    "DataParallel": (lambda: nn.DataParallel(plain()), (X,), PLAIN),
    "an averaged model": (lambda: torch.optim.swa_utils.AveragedModel(plain()), (X,), PLAIN),
    "a compiled model": (lambda: torch.compile(plain()), (X,), PLAIN),
    "a checkpointed part": (lambda: nn.Sequential(nn.Linear(8, 8), checkpoint_wrapper(plain())), (X,), [
        "input → linear, 8", "linear, 8 → linear, 6 + ReLU", *PLAIN[1:]]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_every_arrow_is_there_and_no_other(name: str) -> None:
    build, inputs, wanted = CASES[name]
    assert arrows(build, *inputs) == sorted(wanted)


def test_a_mask_and_a_tied_head_are_seen_at_their_boxes() -> None:
    case = zoo.CASES["gpt2"]
    drawn = compile(trace(case.build, Inputs(*case.inputs())).graph, Options()).drawn
    words = [[line for line, _ in look.lines] for look in looks(drawn, BLOCK).values()]
    assert sum(lines[0].startswith("masked attention") for lines in words if lines) == 1
    assert [lines[0].partition(",")[0] for lines in words if "tied weights" in lines] == ["embedding", "linear"]


@pytest.mark.parametrize("hidden", [lambda i: i[None, :] > i[:, None], lambda i: torch.ones(5, 5).triu(1).bool()])
def test_a_mask_is_one_however_it_is_made(hidden: Callable[[Tensor], Tensor]) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(8, 24)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).chunk(3, -1)
            scores = (q @ k.mT / 8 ** 0.5).masked_fill(hidden(torch.arange(5)), -torch.inf)
            return scores.softmax(-1) @ v

    assert "masked attention → output" in arrows(Attention(), torch.zeros(1, 5, 8))


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    batch, channels, height, width = x.shape
    return x.view(batch, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


class Shuffled(nn.Module):
    """The unit of ShuffleNetV2: half of the channels pass by, the others are convolved, and both are mixed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        return channel_shuffle(torch.cat((left, self.conv(right)), 1), 2)


def test_a_part_of_the_channels_is_said_to_be_one() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), Shuffled(), nn.Conv2d(8, 2, 1))
    drawn = archviz.draw(model, torch.zeros(1, 3, 6, 6)).drawn
    assert {drawn.by_id[key].op: label for key, label in arrow_labels(drawn).items()} == {"Conv2d": "4 of 8"}
    assert arrows(model, torch.zeros(1, 3, 6, 6)) == sorted([
        "input → 1×1 conv, 8", "1×1 conv, 8 → 3×3 conv, 4", "1×1 conv, 8 → concatenation",
        "3×3 conv, 4 → concatenation", "concatenation → channel shuffle", "channel shuffle → 1×1 conv, 2",
        "1×1 conv, 2 → output"])


def test_shifted_windows_are_no_copies_of_those_that_stand_still() -> None:
    case = zoo.CASES["swin"]
    traced = trace(case.build, Inputs(*case.inputs())).graph
    drawn = compile(traced, Options(depth=8, width="600mm", max_height="600mm")).drawn
    found = [(node.attrs.get("shifted", False), node.repeat) for node in drawn.nodes if node.kind == "attention"]
    # as deep as the windows are as large as the map, nothing is left to shift
    assert found == [(False, 1), (True, 1), (False, 1), (True, 1), (False, 3), (True, 3), (False, 2)]


class Merging(nn.Module):
    """The patch merging of Swin: four places become the channels of one."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = x.view(-1, 6, 6, 4)
        x = torch.cat([x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)
        return self.reduction(self.norm(x.view(-1, 9, 16)))


def test_patches_that_become_channels_are_said() -> None:
    assert arrows(Merging(), torch.zeros(1, 36, 4)) == sorted([
        "x → space to depth, 2×2", "space to depth, 2×2 → LN", "LN → linear, 8", "linear, 8 → output"])


def test_arguments_that_are_no_tensors_are_guessed_by_their_types() -> None:
    class Flagged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 8)

        def forward(self, steps: int, x: Tensor, mask: Tensor | None = None, *more: Tensor, flag: bool, **rest: Any,
                    ) -> Tensor | None:
            for _ in range(steps):
                x = self.layer(x)[..., :4]
            return self.layer(x) if flag else None

    guess = from_model(Flagged())[0]
    assert {key: getattr(value, "shape", value) for key, value in guess.kwargs.items()} == {
        "steps": 1, "x": (1, 4), "flag": True}
    assert suggest(Flagged()) == "--input x=1x4 --input steps=1 --input flag=True"
    assert not archviz.draw(Flagged()).failed


def costs(model: nn.Module, *inputs: Tensor) -> tuple[str, str, str]:
    """What goes in and comes out, and what it takes, as a figure says it."""
    figure = archviz.draw(model, inputs)
    ends = [text.shape(node.out[0]) for node in (figure.drawn.nodes[0], figure.drawn.nodes[-1])]
    return ends[0], ends[1], figure.caption.partition("takes ")[2].partition(" ")[0]


def test_numbers_are_those_of_one_sample_or_of_all_that_is_shown() -> None:
    images, ids = torch.zeros(1, 3, 8, 8), torch.zeros(1, 12, dtype=torch.long)
    convolution = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5))
    recurrent = nn.LSTM(8, 6)
    tokens = nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 5))
    assert costs(convolution, images) == costs(convolution, images.repeat(4, 1, 1, 1)) == ("8×8×3", "5", "4.61K")
    assert costs(tokens, ids) == costs(tokens, ids.repeat(3, 1)) == ("12", "12×5", "480")
    assert costs(recurrent, torch.zeros(7, 1, 8))[0] == costs(recurrent, torch.zeros(7, 3, 8))[0] == "7×8"
    # rows of a matrix may be samples, tokens, or nodes of a graph
    assert costs(plain(), torch.zeros(1, 8)) == ("8", "2", "60")
    assert costs(plain(), torch.zeros(5, 8)) == ("5×8", "5×2", "300")


def test_a_wrapper_gives_its_name_to_nothing() -> None:
    assert archviz.draw(nn.DataParallel(Siamese()), (X, X)).graph.name == "Siamese"
    traced = archviz.draw(nn.Sequential(nn.Linear(8, 8), checkpoint_wrapper(Vmap())), (X,)).graph
    assert {module.cls for module in traced.modules.values()} == {"Vmap"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", [lambda: torch.jit.script(plain()), lambda: torch.jit.trace(plain(), X)])
def test_torchscript_is_told_wherever_it_comes_from(build: Callable[[], nn.Module]) -> None:
    for model in (build, build()):
        with pytest.raises(ArchvizError, match="is TorchScript, which does not show what runs inside"):
            archviz.draw(model, X)


def test_what_stands_beside_other_things_is_told_from_them(tmp_path: Path) -> None:
    """A line leaves an input on its own side, braces stand under their row, neighbours keep the names of the user."""
    labels = {"layers": {"a": {"label": "frozen stem"}, "b": {"label": "middle"}, "c": {"label": "last"}}}
    cases = {"gated": archviz.draw(Gated(), (X, X), style="sublayers"),
             "adversaries": archviz.draw(Adversaries(), (torch.zeros(1, 16), torch.zeros(1, 1, 28, 28)), style="cube"),
             "named": archviz.draw(Named(), torch.zeros(1, 3, 32, 32), style="cube", overrides=labels)}
    for name, figure in cases.items():
        figure.save(tmp_path / f"{name}.svg")
    assert {name: row["bad"] for name, row in lint([*tmp_path.glob("*.svg")]).items() if row["bad"]} == {}
    assert {"frozen stem", "middle", "last"} <= {*cases["named"].scene.strings()}
    rows = {node.scope[0]: [place.y for key, place in cases["adversaries"].layout.nodes.items()
                            if node.scope[0] in cases["adversaries"].drawn.by_id[key].scope]
            for node in cases["adversaries"].drawn.nodes if node.scope}
    braces = cases["adversaries"].layout.frames
    upper, lower = sorted((key for key in rows if key.startswith("discriminator")), key=lambda key: min(rows[key]))
    assert braces[upper].bottom < min(rows[lower]) < braces[lower].y


@pytest.mark.parametrize("options", [{"inset": "one"}, {"expand": "one"}])
def test_what_is_one_box_is_closed_already_and_does_not_open(options: dict[str, Any]) -> None:
    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.view(1, -1))

    model = Two(lambda a, b: a + b)
    model.one = Wrapped()   # type: ignore[assignment]
    assert archviz.draw(model, X, collapse="Wrapped").drawn.nodes == archviz.draw(model, X).drawn.nodes
    with pytest.raises(ArchvizError, match="'one' is drawn as one box"):
        archviz.draw(model, X, **options)
