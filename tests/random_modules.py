"""Random modules: programs over a pool of layers, from a grammar of what models do with tensors.

`programs` is a hypothesis strategy of lists of steps; `Program` runs one.  Values are ``(3, 8)`` floats, so that each
step can follow every other; index inputs are three whole numbers.  What a list leaves open (an operand that is not
there yet) wraps around, so that every list is a program and hypothesis can shrink it step by step.
"""
from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.distributions import Normal

N, C = 3, 8
Pair = namedtuple("Pair", "mean scale")


@dataclass
class Both:
    first: Tensor
    second: Tensor


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(C, C), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Split(nn.Module):
    """A tuple, a dictionary, a named tuple or a dataclass of two."""

    def __init__(self, shape: str) -> None:
        super().__init__()
        self.first, self.second, self.shape = nn.Linear(C, C), nn.Linear(C, C), shape

    def forward(self, x: Tensor) -> Any:
        one, two = self.first(x), self.second(x)
        return {"tuple": (one, two), "dict": {"one": one, "two": two}, "named": Pair(one, two),
                "data": Both(one, two)}[self.shape]


class Meet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.join, self.gate = nn.Linear(2 * C, C), nn.Linear(C, C)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.join(torch.cat([a, b], -1)) * torch.sigmoid(self.gate(b))


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        return gradient


def _pad(x: Tensor) -> Tensor:
    """To eight columns again, whatever a step left."""
    x = x.reshape(N, -1)
    return x if x.shape[1] == C else F.pad(x, (0, C - x.shape[1])) if x.shape[1] < C else x[:, :C]


def _noise(a: Tensor, b: Tensor) -> Tensor:
    return a + torch.randn_like(b) * b.exp().clamp(max=3)


def _in_place(a: Tensor, b: Tensor) -> Tensor:
    c = a.clone()
    c.add_(b)
    return c


def _part(a: Tensor, b: Tensor) -> Tensor:
    c = a.clone()
    c[:, : C // 2] = b[:, C // 2:]
    return c


def _swap(a: Tensor, b: Tensor) -> Tensor:
    left, _ = a.chunk(2, -1)
    _, right = b.split(C // 2, -1)
    return torch.cat([right, left], -1)


def _attend(a: Tensor, b: Tensor) -> Tensor:
    return torch.softmax(a @ b.T / C ** 0.5, -1) @ b


def _shuffle(a: Tensor) -> Tensor:
    return a.view(N, 2, C // 2).transpose(1, 2).reshape(N, C)


def _meshed(a: Tensor, b: Tensor) -> Tensor:
    x, y = torch.meshgrid(a[:, 0], b[0], indexing="ij")
    return x * y


BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b.abs() + 1),
    "max": torch.maximum,
    "min": torch.minimum,
    "where": lambda a, b: torch.where(a > b, a, b * 0.5),
    "choose": lambda a, b: torch.where(b > 0, a, -a),
    "in_place": _in_place,
    "part": _part,
    "swap": _swap,
    "attend": _attend,
    "noise": _noise,
    "complex": lambda a, b: torch.complex(a, b).abs(),
    "polar": lambda a, b: torch.view_as_real(torch.polar(a.abs(), b))[..., 1],
    "normal": lambda a, b: torch.normal(a, b.abs() + 0.1),
    "rsample": lambda a, b: Normal(a, b.exp()).rsample(),
    "log_prob": lambda a, b: Normal(a, 1.0).log_prob(b),
    "bernoulli": lambda a, b: a * torch.bernoulli(b.sigmoid().clamp(0, 1)),
    "mean_added": lambda a, b: a + b.mean(1, keepdim=True),
    "norm_scaled": lambda a, b: a / b.norm(dim=1, keepdim=True),
    "cosine": lambda a, b: a * F.cosine_similarity(a, b, dim=1)[:, None],
    "var": lambda a, b: a * b.var(0),
    "largest": lambda a, b: a - b.amax(0),
    "broadcast": lambda a, b: torch.broadcast_tensors(a, b[:1])[1] + a,
    "stacked": lambda a, b: torch.stack([a, b]).mean(0),
    "einsum": lambda a, b: torch.einsum("nc,nd->nd", a, b),
    "lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "addcmul": lambda a, b: torch.addcmul(a, a, b),
    "gather": lambda a, b: a.gather(0, b.argsort(0)),
    "masked": lambda a, b: a.masked_fill(b > 0, 0.0),
    "meshed": _meshed,
    "scatter": lambda a, b: a.scatter_add(0, torch.zeros(N, C, dtype=torch.long), b),
    "index_put": lambda a, b: a.index_put((torch.tensor([0, 2]),), b[:2]),
    "vmap": lambda a, b: torch.vmap( lambda u, v: torch.tanh(u) * v)(a, b),
    "cdist": lambda a, b: a * torch.cdist(a, b).mean(1, keepdim=True),
    "outer": lambda a, b: a + torch.outer(b[:, 0], b[0]),
}
UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda a: a.softmax(-1),
    "exp": lambda a: a.clamp(max=2).exp(),
    "centred": lambda a: a - a.mean(1, keepdim=True),
    "cumsum": lambda a: a.cumsum(1),
    "roll": lambda a: a.roll(1, 1),
    "flip": lambda a: a.flip(1),
    "shuffle": _shuffle,
    "slice": lambda a: _pad(a[:, 2:]),
    "unbound": lambda a: torch.stack(a.unbind(0)[::-1]),
    "double": Double.apply,
    "detach": lambda a: a.detach(),
    "sort": lambda a: a.sort(1).values,
    "topk": lambda a: _pad(a.topk(4, 1).values),
    "normalize": lambda a: F.normalize(a),
    "half": lambda a: a.to(torch.bfloat16).float(),
    "pool": lambda a: F.avg_pool1d(a[None], 3, 1, 1)[0],
    "round": lambda a: torch.round(a * 8) / 8,
    "diag": lambda a: a + torch.eye(N, C),
    "log": lambda a: a.abs().log1p(),
    "fft": lambda a: torch.fft.fft(a).real,
    "mean": lambda a: a - a.mean(0, keepdim=True).expand(N, C),
    "total": lambda a: a * a.sum().expand(N, C),
    "std": lambda a: _pad(a.std(1, keepdim=True).expand(N, C)),
    "logsumexp": lambda a: a * a.logsumexp(0).expand(N, C),
    "unfolded": lambda a: a.unfold(1, 2, 2).reshape(N, C),
}
LAYERS = ("linear", "sequence", "norm", "residual", "meet", "tuple", "dict", "named", "data", "bilinear", "gru")
LEARNED = ("vector", "scale", "buffer", "weight", "table", "one_hot", "category")


class Program(nn.Module):
    """Runs `steps` on two float inputs and one of whole numbers; returns the values that `results` name."""

    def __init__(self, steps: list[tuple[str, int, int, int]], results: list[int], shape: str) -> None:
        super().__init__()
        self.steps, self.results, self.shape = steps, results, shape
        self.linear = nn.ModuleList(nn.Linear(C, C) for _ in range(3))
        self.sequence = nn.Sequential(nn.Linear(C, 2 * C), nn.GELU(), nn.Linear(2 * C, C))
        self.norm, self.residual, self.meet = nn.LayerNorm(C), Residual(), Meet()
        self.tuple, self.dict, self.named, self.data = (Split(shape) for shape in ("tuple", "dict", "named", "data"))
        self.bilinear, self.gru, self.table = nn.Bilinear(C, C, C), nn.GRUCell(C, C), nn.Embedding(5, C)
        self.vector, self.scale = nn.Parameter(torch.randn(C)), nn.Parameter(torch.randn(C))
        self.weight = nn.Parameter(torch.randn(C, C) / 3)
        self.register_buffer("buffer", torch.randn(N, C))

    def forward(self, x: Tensor, y: Tensor, index: Tensor) -> Any:
        values = [x, y]
        for name, i, j, k in self.steps:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            values.append(self.step(name, a, b, k, index))
        kept = [values[-1], *(values[-1 - i % len(values)] for i in self.results)]
        kept = [value for n, value in enumerate(kept) if all(value is not other for other in kept[:n])]
        if len(kept) == 1:
            return kept[0]
        return {"tuple": tuple(kept), "list": kept, "dict": {f"result_{n}": value for n, value in enumerate(kept)},
                "data": Both(kept[0], kept[1])}[self.shape]

    def step(self, name: str, a: Tensor, b: Tensor, k: int, index: Tensor) -> Tensor:
        if name in BINARY:
            return BINARY[name](a, b)
        if name in UNARY:
            return UNARY[name](a)
        match name:
            case "linear":
                return self.linear[k % 3](a)
            case "sequence" | "norm" | "residual":
                return getattr(self, name)(a)
            case "meet" | "bilinear" | "gru":
                return getattr(self, name)(a, b)
            case "tuple":
                return self.tuple(a)[k % 2]
            case "dict":
                return self.dict(a)["one" if k % 2 else "two"]
            case "named":
                return self.named(a).scale
            case "data":
                both = self.data(a)
                return both.first - both.second
            case "vector":
                return a + self.vector
            case "scale":
                return a * self.scale
            case "buffer":
                return a + self.buffer
            case "weight":
                return F.linear(a, self.weight)
            case "table":
                return a + self.table(index)
            case "one_hot":
                return a * F.one_hot(index, C)
            case "category":
                return a[index % N]
        raise AssertionError(name)


NAMES = (*BINARY, *UNARY, *LAYERS, *LEARNED)
STEP = st.tuples(st.sampled_from(NAMES), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2))
programs = st.builds(Program, st.lists(STEP, min_size=1, max_size=9), st.lists(st.integers(0, 4), max_size=2),
                     st.sampled_from(("tuple", "list", "dict", "data")))


def inputs(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(N, C, generator=generator), torch.randn(N, C, generator=generator),
            torch.tensor([1, 4, 0]))
