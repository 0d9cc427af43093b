"""A character-level language model: an embedding, a two-layer LSTM, and a score for every next character.

Trained for some seconds on the manual that ships with Python, one layer learns to close what it opened: a unit follows
whether the text is in quotes, as in Karpathy, Johnson & Li, "Visualizing and Understanding Recurrent Networks" (2015)::

    python gallery/lstm.py lstm.safetensors
    archviz explain gallery/lstm.py --arg width=32 --arg hidden=128 --arg layers=1 --weights lstm.safetensors \\
        --method hidden --option states=cell --option units=3 --text 'True if "s" has "x"; "len(s)" counts.' -o u.svg
"""
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TRAINED = {"width": 32, "hidden": 128, "layers": 1}


class CharLSTM(nn.Module):
    def __init__(self, characters: int = 96, width: int = 128, hidden: int = 256, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, characters)

    def forward(self, text: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(text))
        return self.head(states)


def ids(text: str) -> Tensor:
    """The 95 printable characters of ASCII, and the end of a line; others are left out."""
    return torch.tensor([95 if c == "\n" else ord(c) - 32 for c in text if c == "\n" or 32 <= ord(c) < 127])


def encode(text: str) -> list[int]:
    """A text as the model reads it."""
    return ids(text).tolist()


def decode(number: int) -> str:
    """The character that is this number."""
    return "\n" if number == 95 else chr(32 + number)


def paragraphs() -> tuple[list[str], list[str]]:
    """Those of Python's manual to learn from, and every tenth, to be tried on."""
    from pydoc_data.topics import topics
    found = "\n\n".join(text for _, text in sorted(topics.items())).split("\n\n")
    return [text for n, text in enumerate(found) if n % 10], found[::10]


def train(steps: int = 250, rows: int = 64, length: int = 64):     # no -> Class: archviz draws the class, untrained
    """Reads the manual in rows side by side, a piece of each at a time; memory passes from piece to piece."""
    text = ids("\n\n".join(paragraphs()[0]))
    text = text[:len(text) // rows * rows].view(rows, -1)
    pieces = (text.shape[1] - 1) // length
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, memory = CharLSTM(**TRAINED), None
        optimizer = torch.optim.AdamW(model.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=steps)
        for step in range(steps):
            at = step % pieces * length
            states, memory = model.lstm(model.embedding(text[:, at:at + length]), memory)
            memory = tuple(part.detach() for part in memory)
            loss = F.cross_entropy(model.head(states).flatten(0, 1), text[:, at + 1:at + length + 1].flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def example_inputs() -> Tensor:
    return torch.zeros(1, 64, dtype=torch.long)


if __name__ == "__main__":
    from safetensors.torch import save_file
    torch.set_num_threads(1)        # faster for so small a model
    save_file(train().state_dict(), sys.argv[1])
