"""A network that takes nothing from the rest of the package."""
import torch
from torch import nn

net = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 3))
example_inputs = torch.zeros(1, 12)
