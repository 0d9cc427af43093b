"""A sparse mixture of experts (Shazeer et al., 2017) with the sizes of Mixtral 8x7B (Jiang et al., 2024).

A router scores eight experts for every token and sends it to the best two; what these two make of it is added, weighted
by the softmax of their scores.  Each expert has room for its share of the tokens, as in GShard (Lepikhin et al., 2021).
"""
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Expert(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class MixtureOfExperts(nn.Module):
    def __init__(self, dim: int = 4096, hidden: int = 14336, experts: int = 8, active: int = 2) -> None:
        super().__init__()
        self.active = active
        self.router = nn.Linear(dim, experts, bias=False)
        self.experts = nn.ModuleList(Expert(dim, hidden) for _ in range(experts))

    def forward(self, tokens: Tensor) -> Tensor:
        scores, chosen = self.router(tokens).topk(self.active)
        weights = torch.zeros(len(tokens), len(self.experts), device=tokens.device)
        weights = weights.scatter(1, chosen, F.softmax(scores, dim=-1))
        capacity = len(tokens) * self.active // len(self.experts)
        y = torch.zeros_like(tokens)
        for i, expert in enumerate(self.experts):
            weight, token = weights[:, i].topk(capacity)
            y = y.index_add(0, token, weight[:, None] * expert(tokens[token]))
        return y


def example_inputs() -> Tensor:
    return torch.zeros(2048, 4096)
