"""What went on at every node while a model ran, in numbers that carry the figure's own ids: free of torch.

In: arrays from `archviz.record`.  Out: `Recording`, which is saved, read and painted without PyTorch.
"""
from __future__ import annotations

import io
import json
from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.files import write
from archviz.core.graph import NodeId

Array = NDArray[Any]

GRADIENT = "gradient."
"""What the names of a gradient's statistics begin with: ``"gradient.norm"``."""

RECTIFIERS = frozenset({"relu", "relu6", "threshold"})
"""Operations whose channels are dead where they give nothing but zero."""

SATURATED = 0.1     # a layer is marked from this share of saturated values on
FEW = 16            # samples below which silence says little about a channel, which the findings then say

_UNITS = {"mean": "mean activation", "std": "standard deviation of the activation", "max": "largest activation",
          "min": "smallest activation", "norm": "norm of the activation", "sparsity": "share of zeros",
          "saturation": "share of saturated values"}


class Statistics:
    """What is known of one node: arrays by name, as items and as attributes.

    ``mean``, ``std``, ``min``, ``max``, ``norm``, ``sparsity``, ``saturation``
        Numbers: of all values over all samples; `norm` is Euclidean over one sample's values, and of that the root mean
        square over the samples.
    ``per_channel``, ``per_channel_std``, ``active``
        (C,): mean and standard deviation of each channel, and its share of values that are not zero.
    ``histogram``, ``edges``
        (B,) counts and the (B + 1,) edges of their bins.
    ``topk``, ``topk_samples``, ``topk_positions``, ``topk_fields``
        (C, k) largest values of each channel, one of a sample; (C, k) which sample; (C, k, d) where in the map;
        (C, k, 4) the part of the input image that was seen there: top, left, bottom, right, in pixels, the last two
        exclusive.  Slots that no sample filled hold NaN and −1.
    ``values``
        (N, …): the values themselves; of a node that gives a single number, one for each call.
    ``samples``, ``calls``
        How many samples reached the node, in how many calls of the model.
    ``gradient``
        The same of the target's gradient.
    """

    def __init__(self, node: NodeId, arrays: Mapping[str, Array]) -> None:
        self.node, self._arrays = node, arrays

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def items(self) -> ItemsView[str, Array]:
        """Names and arrays."""
        return self._arrays.items()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "gradient":
            slopes = {key.removeprefix(GRADIENT): array for key, array in self.items() if key.startswith(GRADIENT)}
            if slopes:
                return Statistics(f"{self.node} (gradient)", slopes)
        if name not in self._arrays:
            raise AttributeError(f"{name!r} of {self.node} was not recorded; what was: {', '.join(self)}")
        array = self._arrays[name]
        return array if array.ndim else array.item()

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self if "." not in name)]

    def __repr__(self) -> str:
        return f"{self.node}: " + ", ".join(
            f"{name} {array.item():.4g}" if array.ndim == 0 else f"{name} {'×'.join(map(str, array.shape))}"
            for name, array in self.items())


@dataclass(frozen=True, repr=False, eq=False)
class Recording:
    """The statistics of every node that was watched.  ``recording["layer1.0.relu"].mean``

    Attributes
    ----------
    nodes : dict
        Trace id → arrays by name, see `Statistics`; in the order in which the nodes first ran.
    ops : dict
        Trace id → what ran there, as the trace spells it: ``"relu"``, ``"conv2d"``.
    statistic : str
        The number that `scores` gives for each node; `by` chooses another.
    title : str
        How a figure names it.
    """

    nodes: dict[NodeId, dict[str, Array]] = field(default_factory=dict)
    ops: dict[NodeId, str] = field(default_factory=dict)
    statistic: str = "mean"
    title: str = "Activations"

    def __getitem__(self, node: NodeId) -> Statistics:
        if node not in self.nodes:
            raise KeyError(f"no node {node!r} was recorded; {did_you_mean(node, self.nodes)}".rstrip("; "))
        return Statistics(node, self.nodes[node])

    def __contains__(self, node: object) -> bool:
        return node in self.nodes

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def samples(self) -> int:
        """The samples that were seen."""
        return max((int(arrays["samples"]) for arrays in self.nodes.values()), default=0)

    def by(self, statistic: str) -> Recording:
        """The same, with `statistic` as the number to paint: ``"std"``, ``"sparsity"``, ``"gradient.norm"``.

        Raises `ArchvizError` for one that no node has.
        """
        numbers = {name for arrays in self.nodes.values() for name, array in arrays.items() if array.ndim == 0}
        if statistic not in numbers:
            raise ArchvizError(f"there is no {statistic!r} for every node to paint", did_you_mean(statistic, numbers))
        return replace(self, statistic=statistic)

    @property
    def scores(self) -> dict[NodeId, Array]:
        """Trace id → (N,): the chosen statistic, the same for each of the N samples, where it is a single number."""
        n = max(self.samples, 1)
        return {node: np.broadcast_to(arrays[self.statistic], (n,)) for node, arrays in self.nodes.items()
                if self.statistic in arrays and arrays[self.statistic].ndim == 0}

    @property
    def maps(self) -> dict[NodeId, Array]:
        """Trace id → the values, where they were kept: (N, C, H, W), (N, L, C) or (N, C)."""
        return {node: arrays["values"] for node, arrays in self.nodes.items() if "values" in arrays}

    @property
    def flows(self) -> dict[tuple[NodeId, NodeId], Array]:
        """Nothing: what runs along edges is an attribution's."""
        return {}

    @property
    def signed(self) -> bool:
        """Whether any of what is drawn is below zero."""
        return any(bool((array < 0).any()) for array in (*self.scores.values(), *self.maps.values()))

    @property
    def unit(self) -> str:
        """What the scores are, for the colour bar."""
        name = self.statistic.removeprefix(GRADIENT)
        unit = _UNITS.get(name, name)
        return unit.replace("activation", "gradient") if name != self.statistic else unit

    @property
    def marks(self) -> dict[NodeId, str]:
        """Trace id → a word about what is wrong there: ``"dead 12/64"``, ``"saturated 30 %"``."""
        words = dict.fromkeys(self._nan(), "NaN")
        words |= {node: f"dead {dead}/{channels}" for node, (dead, channels) in self._dead().items()}
        return words | {node: f"saturated {share:.0%}".replace("%", " %") for node, share in self._saturated().items()}

    def image(self, kind: str = "maps", **options: Any) -> Any:
        """A picture by itself, a `Picture`: the maps of a layer whose values were kept.

        `kind` and `options` are those of `archviz.Attribution.image`; what of the layer to show says
        `archviz.insight.pictures.maps.draw`.
        """
        from archviz.insight.pictures._standalone import picture

        return picture([self], kind, **options)

    def overlay(self, figure: Any, sample: int = 0, **options: Any) -> Any:
        """The figure of the model with these numbers painted on it, and what is wrong marked.

        `figure`, `sample` and `options` are those of `archviz.insight.overlay.overlay`.
        """
        from archviz.insight.overlay import overlay

        return overlay(figure, self, sample, **options)

    @property
    def findings(self) -> list[str]:
        """A sentence for each mark, the worst first."""
        few = f", too few to be sure: look again with {FEW} or more" if self.samples < FEW else ""
        dead = sorted(self._dead().items(), key=lambda item: -item[1][0] / item[1][1])
        full = sorted(self._saturated().items(), key=lambda item: -item[1])
        nan = self._nan()
        return [*(f"{node} is the first of {len(nan)} nodes that gave NaN" for node in nan[:1]),
                *(f"{node}: {silent} of {channels} channels are dead: zero everywhere in "
                  f"{_all(int(self.nodes[node]['samples']))}{few}" for node, (silent, channels) in dead),
                *(f"{node}: {share:.0%} of the values are saturated: within 1.5 % of the ends of what {self.ops[node]} "
                  "can give" for node, share in full)]

    def _dead(self) -> dict[NodeId, tuple[int, int]]:
        return {node: (int((arrays["active"] == 0).sum()), len(arrays["active"])) for node, arrays in self.nodes.items()
                if self.ops.get(node) in RECTIFIERS and "active" in arrays and not arrays["active"].all()}

    def _nan(self) -> list[NodeId]:
        """The nodes that gave NaN, in the order of their work."""
        return [node for node, arrays in self.nodes.items() if node and any(
            np.isnan(arrays[name]).any() for name in ("mean", "min", "max") if name in arrays)]

    def _saturated(self) -> dict[NodeId, float]:
        return {node: float(arrays["saturation"]) for node, arrays in self.nodes.items()
                if arrays.get("saturation", 0) >= SATURATED}

    def patches(self, node: NodeId, channel: int, data: Any) -> list[Array]:
        """The parts of the images that make a channel give the most, the strongest first.

        Parameters
        ----------
        node, channel
            Where; recorded with ``reduce=["topk"]``.
        data : sequence
            Sample number → the image (C, H, W), or a tuple that begins with it: the data set, or the whole batch.

        Returns
        -------
        list of array
            (C, h, w) each, no larger than the receptive field; what reaches beyond the image is cut off.
        """
        statistics = self[node]
        if "topk_fields" not in statistics:
            raise ArchvizError(f"the parts of the input that {node} sees are not known",
                               'record it with reduce=["topk"]; it must be a map (N, C, H, W) made of an image')
        crops = []
        samples, fields = statistics["topk_samples"][channel], statistics["topk_fields"][channel]
        for sample, (top, left, bottom, right) in zip(samples, fields, strict=True):
            if sample >= 0:
                item = data[int(sample)]
                image = np.asarray(item[0] if isinstance(item, (tuple, list)) else item)
                crops.append(image[:, max(top, 0):bottom, max(left, 0):right])
        return crops

    def save(self, path: str | Path) -> None:
        """Write it to `path` as .npz: arrays and a JSON index, no code."""
        write(Path(path), self.packed())

    def packed(self) -> bytes:
        """What `save` writes."""
        index = {"statistic": self.statistic, "title": self.title, "ops": self.ops,
                 "names": [[node, name] for node, arrays in self.nodes.items() for name in arrays]}
        return packed(index, [array for arrays in self.nodes.values() for array in arrays.values()])

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read what `save` wrote to `path`.  Raises `ArchvizError` for a file that is none."""
        index, arrays = unpacked(Path(path))
        nodes: dict[NodeId, dict[str, Array]] = {}
        for (node, name), array in zip(index["names"], arrays, strict=True):
            nodes.setdefault(node, {})[name] = array
        return cls(nodes, index["ops"], index["statistic"], index["title"])

    def __repr__(self) -> str:
        names = dict.fromkeys(name for arrays in self.nodes.values() for name in arrays
                              if name not in ("samples", "calls"))
        marks = [f"\n  {node}: {word}" for node, word in [*self.marks.items()][:10]]
        more = len(self.marks) - len(marks)
        samples = f"{self.samples} sample{'s' * (self.samples != 1)}"
        return (f"Recording of {len(self)} nodes over {samples}: {', '.join(names) or 'nothing yet'}"
                + "".join(marks) + (f"\n  and {more} more marks" if more > 0 else ""))


def _all(samples: int) -> str:
    return f"all {samples} samples" if samples > 1 else "the only sample"


def packed(index: Mapping[str, Any], arrays: list[Array]) -> bytes:
    """The bytes of an .npz file: arrays in order, and JSON that says what they are."""
    file = io.BytesIO()
    header = np.frombuffer(json.dumps(index).encode(), np.uint8)
    np.savez(file, *arrays, index=header)
    return file.getvalue()


def unpacked(path: Path) -> tuple[dict[str, Any], list[Array]]:
    """What `packed` made.  Raises `ArchvizError` for a file that it did not make."""
    try:
        with np.load(path, allow_pickle=False) as file:
            index: dict[str, Any] = json.loads(file["index"].tobytes())
            return index, [file[f"arr_{number}"] for number in range(len(file.files) - 1)]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no recording of archviz"
        raise ArchvizError(f"cannot read {path}: {reason}") from None
