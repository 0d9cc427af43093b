"""Reads a date as people write it, and writes it as machines do, by additive attention to what it read.

``"saturday 3 march 2001"`` → ``"2001-03-03"``.  A recurrent encoder in both directions, a recurrent decoder, and
between them the attention of Bahdanau et al. (2015), whose weights show where each written character was read.
The dates are made up, the seed is fixed, and training takes seconds::

    python gallery/dates.py dates.safetensors
    archviz explain gallery/dates.py --weights dates.safetensors --method attention -o dates.svg

With the characters beside the matrix, in Python::

    found = archviz.explain(train(), (ids(["3 march 2001"], 12), ids(["\\0002001-03-0"], 10)), method="attention")
    found.image(words=list("3 march 2001"), queries=list("2001-03-03")).save("dates.svg")
"""
import datetime
import random
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHARACTERS = "\0 ,-./0123456789abcdefghijklmnopqrstuvwxyz"
"""The first fills what is short, and stands before what is written."""
FORMS = ("{d} {month} {y}", "{weekday} {d} {month} {y}", "{month} {d}, {y}", "{d}. {month} {y}", "{month} {d} {y}",
         "{weekday}, {month} {d}, {y}")
LONGEST, WRITTEN = 29, 10


class Attention(nn.Module):
    """Additive attention: weights = softmax(vᵀ tanh(W query + U key)), context = weights · keys."""

    def __init__(self, queries: int, keys: int, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(queries, width)
        self.key = nn.Linear(keys, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, queries: Tensor, keys: Tensor, empty: Tensor) -> Tensor:
        scores = self.score(torch.tanh(self.query(queries)[:, :, None] + self.key(keys)[:, None])).squeeze(-1)
        weights = scores.masked_fill(empty[:, None], -torch.inf).softmax(-1)
        return weights @ keys


class DateReader(nn.Module):
    def __init__(self, characters: int = len(CHARACTERS), width: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, 32)
        self.encoder = nn.GRU(32, width // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(32, width, batch_first=True)
        self.attention = Attention(width, width, width)
        self.head = nn.Linear(2 * width, characters)

    def forward(self, text: Tensor, written: Tensor) -> Tensor:
        read, _ = self.encoder(self.embedding(text))
        states, _ = self.decoder(self.embedding(written))
        context = self.attention(states, read, text == 0)
        return self.head(torch.cat([states, context], -1))


def ids(texts: list[str], length: int) -> Tensor:
    return torch.tensor([[CHARACTERS.index(c) for c in text.ljust(length, "\0")] for text in texts])


def decode(number: int) -> str:
    """The character that is this number."""
    return "" if number == 0 else CHARACTERS[number]


def dates(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Dates of a hundred years as people write them, and as ISO 8601 does."""
    chance = random.Random(seed)
    days = [datetime.date(1950, 1, 1) + datetime.timedelta(chance.randrange(36500)) for _ in range(count)]
    people = [chance.choice(FORMS).format(d=day.day, month=MONTHS[day.month - 1], y=day.year,
                                          weekday=WEEKDAYS[day.weekday()]) for day in days]
    return people, [day.isoformat() for day in days]


MONTHS = "january february march april may june july august september october november december".split()
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()


def train(steps: int = 150):     # no -> Class: archviz draws the class, untrained
    """It then writes every date right that it has not seen."""
    read, written = dates(8000)
    text, goal = ids(read, LONGEST), ids(written, WRITTEN)
    given = F.pad(goal[:, :-1], (1, 0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DateReader()
        optimizer = torch.optim.AdamW(model.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(text), (64,))
            loss = F.cross_entropy(model(text[rows], given[rows]).flatten(0, 1), goal[rows].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def example_inputs() -> tuple[Tensor, Tensor]:
    read, written = dates(1, seed=1)
    return ids(read, LONGEST), F.pad(ids(written, WRITTEN)[:, :-1], (1, 0))


if __name__ == "__main__":
    from safetensors.torch import save_file
    torch.set_num_threads(1)        # faster for so small a model
    save_file(train().state_dict(), sys.argv[1])
