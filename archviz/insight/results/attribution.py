"""What a model did with one input, in numbers that carry the figure's own ids: free of torch, ready to be drawn.

In: arrays from `archviz.insight.methods`.  Out: `Attribution`, which is saved, read and painted without PyTorch.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archviz.core.graph import NodeId

Array = NDArray[Any]


@dataclass(frozen=True)
class Check:
    """What a map promises, and how far it keeps that.

    Attributes
    ----------
    name : str
        ``completeness``, ``conservation``, ``kept``, ``exact`` …
    error : float
        How far it is off, relative to what is due; 0 where the promise is kept wholly.
    said : str
        The same for a reader: ``"sums to 0.998 of f(x) − f(baseline)"``.
    tolerance : float
        The largest error that counts as kept.
    """

    name: str
    error: float
    said: str
    tolerance: float = 1e-3

    @property
    def kept(self) -> bool:
        """Whether the error is within the tolerance (a NaN never is)."""
        return abs(self.error) <= self.tolerance


@dataclass(frozen=True)
class Attribution:
    """How much each part of the input, and of the network, has to do with one target.  N samples at once.

    Attributes
    ----------
    method : str
        The name of the method's file: ``"gradcam"``.
    title : str
        How a figure names it: ``"Grad-CAM"``.
    target : str
        What was explained, as a caption says it: ``"class 281"``, ``"top 1 (class 281)"``.
    output : array, (N,)
        The target's value: a logit, a unit's activation.
    inputs : Mapping
        The id of an input (``"/in:x"``; for token ids that of their embedding's node) → its map, (N, H, W) over an
        image, (N, L) over tokens, or the input's own shape: one number for each place, channels summed or joined as the
        method's paper says.
    shown : Mapping
        The same ids → the input as it was given, (N, C, H, W) or token ids (N, L), for the picture under the map.
    maps : Mapping
        Trace id → the map at that node, (N, H, W), (N, L), or (N, C, H, W) for one of each channel.
    scores : Mapping
        Trace id → (N,), one number for the whole node: what a figure paints on the architecture.
    flows : Mapping
        (source id, destination id) → (N,): how much runs along that edge of the trace.
    signed : bool
        Whether values below zero speak against the target (drawn diverging, symmetric around zero); else all are ≥ 0.
    unit : str
        What the numbers are, for the colour bar: ``"relevance (logit)"``, ``"|∂f/∂x|"``, ``"drop of the logit"``.
    checks : tuple of Check
        What the caption says of it.
    notes : tuple of str
        Sentences for the reader: options that matter (steps, baseline, rules), what was left out and why.
    extra : Mapping
        Arrays of the method's own: ``"attention"`` (N, heads, queries, keys) by node …; ``"words"`` (N, L): the tokens
        of a text, as its tokenizer calls them.
    """

    method: str
    title: str
    target: str
    output: Array
    inputs: Mapping[NodeId, Array] = field(default_factory=dict)
    shown: Mapping[NodeId, Array] = field(default_factory=dict)
    maps: Mapping[NodeId, Array] = field(default_factory=dict)
    scores: Mapping[NodeId, Array] = field(default_factory=dict)
    flows: Mapping[tuple[NodeId, NodeId], Array] = field(default_factory=dict)
    signed: bool = True
    unit: str = ""
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()
    extra: Mapping[str, Array] = field(default_factory=dict)

    @property
    def input_map(self) -> Array:
        """The map of the first input: (N, H, W) over an image, (N, L) over tokens."""
        return next(iter(self.inputs.values()))

    def to_numpy(self) -> Array:
        """The same as `input_map`: what other tools want."""
        return np.asarray(self.input_map)

    def image(self, kind: str | None = None, **options: Any) -> Any:
        """A picture of it by itself.

        Parameters
        ----------
        kind : str, optional
            The name of a picture: ``"heat"`` over an image, ``"words"`` with heat behind them, ``"matrix"`` of
            attention, ``"maps"`` of a layer, ``"strip"`` of hidden states …  By default what the data is.
        **options
            ``width``, ``theme`` and ``settings`` as `archviz.draw` takes them, and what the picture leaves to choose:
            ``words`` (the tokens), ``names`` (of the samples), ``samples`` …
        """
        return Attributions([self]).image(kind, **options)

    def overlay(self, figure: Any, sample: int = 0, **options: Any) -> Any:
        """The figure of the model with what this found painted on it.

        `figure`, `sample` and `options` are those of `archviz.insight.overlay.overlay`.
        """
        from archviz.insight.overlay import overlay

        return overlay(figure, self, sample, **options)


class Attributions(tuple[Attribution, ...]):
    """Several attributions of one batch: method by method, and of each method target by target."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods, in order."""
        return tuple(dict.fromkeys(one.method for one in self))

    @property
    def targets(self) -> tuple[str, ...]:
        """What was explained, in order."""
        return tuple(dict.fromkeys(one.target for one in self))

    def image(self, kind: str | None = None, **options: Any) -> Any:
        """A picture of them: of images a grid, methods × images.

        `kind` and `options` are those of `Attribution.image`.
        """
        from archviz.insight.pictures._standalone import fitting, picture

        return picture(self, kind or fitting(self), **options)
