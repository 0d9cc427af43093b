"""The libraries that tests and benchmarks compare with: captum, zennit, pytorch-grad-cam, Quantus.

They are oracles only; nothing at run time needs them.  Three of them import torchvision, whose wheel on the package
index is built for CUDA and does not load its own operators beside a CPU build of PyTorch: importing this file first
declares those two that torchvision then describes, which no test calls.
"""
from __future__ import annotations

import torch

_DECLARED = []      # a library's operators last as long as it does
if not torch.cuda.is_available():
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        _library.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(_library)
