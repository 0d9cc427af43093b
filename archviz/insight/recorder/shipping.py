"""Results on their way from the device to the host: few large copies, into pinned memory, without waiting.

In: tensors by key.  Out: `Shipment`, which waits only when it is opened.
"""
from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

Key = TypeVar("Key", bound=Hashable)


def sent(tensor: Tensor) -> Tensor:
    """A copy on the host; of a CUDA tensor one that is complete only when its stream has come that far."""
    if tensor.device.type != "cuda":
        return tensor.detach().to("cpu", copy=True)
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor.detach(), non_blocking=True)


class Shipment(Generic[Key]):
    """Small results of one device and type share a copy; those that are on the host already stay as they are."""

    def __init__(self, results: Mapping[Key, Tensor], devices: Iterable[torch.device] = ()) -> None:
        self._here: dict[Key, Tensor] = {}
        self._packed: list[tuple[Tensor, list[tuple[Key, torch.Size]]]] = []
        away: dict[tuple[torch.device, torch.dtype], dict[Key, Tensor]] = {}
        for key, tensor in results.items():
            if tensor.device.type == "cpu":
                self._here[key] = tensor
            else:
                away.setdefault((tensor.device, tensor.dtype), {})[key] = tensor
        for parts in away.values():
            flat = torch.cat([tensor.reshape(-1) for tensor in parts.values()])
            self._packed.append((sent(flat), [(key, tensor.shape) for key, tensor in parts.items()]))
        self._events = [torch.cuda.current_stream(device).record_event()
                        for device in {*devices, *(device for device, _ in away)} if device.type == "cuda"]

    def opened(self) -> dict[Key, NDArray[Any]]:
        """What was sent, once it has arrived."""
        for event in self._events:
            event.synchronize()
        for flat, parts in self._packed:
            pieces = torch.split(flat, [shape.numel() for _, shape in parts])
            self._here |= {key: piece.reshape(shape) for (key, shape), piece in zip(parts, pieces, strict=True)}
        # numpy knows no bfloat16.
        return {key: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
                for key, tensor in self._here.items()}
