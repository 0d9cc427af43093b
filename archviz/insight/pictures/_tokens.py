"""Tokens → pieces of a text as a reader knows it: which belong to one word, what they say, where a line ends.

In: the tokens that a tokenizer or a caller names.  Out: `Piece`s.

Tokenizers mark the beginning of a word (``Ġ`` of byte-level BPE, ``▁`` of SentencePiece, a space) or its continuation
(``##`` of WordPiece); which one is seen from the tokens.  Where there is no mark, single characters are joined, and
whole words stand apart but for punctuation.
"""
from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from archviz.core import text
from archviz.core.errors import ArchvizError

SPECIAL = re.compile(r"\[[A-Z]+\d*\]|<\|?[A-Za-z_/][\w/|-]*>")
"""``[CLS]``, ``<s>``, ``</s>``, ``<|endoftext|>``: no part of a word."""
PADDING = ("[PAD]", "<pad>", "<|pad|>", "\0", "")
"""What fills a batch up to one length: left out at a text's end."""
OPENING, CLOSING, JOINING = "([{“‘«¿¡", ".,;:!?)]}”’»…%", "'’-–/"
"""Punctuation that belongs to what follows, to what is before, and to both."""
VISIBLE = {"\n": "¶", "\r": "¶", "\t": "→", " ": " "}


@dataclass(frozen=True)
class Piece:
    """One token.

    words   what is printed; one space or more for white space, which is made visible
    apart   whether a space is before it
    ends    whether a line ends behind it
    """

    words: str
    apart: bool = False
    ends: bool = False

    @property
    def blank(self) -> int:
        """How many spaces it is, where it is nothing else."""
        return len(self.words) if not self.words.strip(" ") else 0


def pieces(tokens: Sequence[str]) -> list[Piece]:
    """The pieces that tokens are, one each."""
    tokens = [str(token) for token in tokens]
    for mark in ("Ġ", "▁", " "):
        if any(token.startswith(mark) and len(token) > 1 for token in tokens) or mark in ("Ġ", "▁") and mark in tokens:
            return [_marked(token, mark) for token in tokens]
    if any(token.startswith("##") and len(token) > 2 for token in tokens):
        return _spaced(tokens, "##")
    if all(len(token) == 1 or SPECIAL.fullmatch(token) for token in tokens):
        return [_piece(token, False) for token in tokens]
    return _spaced(tokens, "")


def spelling(words: Sequence[Any], sample: int, ids: Any, length: int) -> list[str]:
    """The tokens of a sample, the ids themselves where there are no words; `ArchvizError` for any other number."""
    if not len(words):
        return [str(i) for i in (range(length) if ids is None else ids[sample])]
    several = not isinstance(words[0], str)
    if several and sample >= len(words):
        raise ArchvizError(f"there are words for {len(words)} samples, and none for sample {sample}")
    tokens = [str(word) for word in (words[sample] if several else words)]
    if len(tokens) != length:
        raise ArchvizError(f"there are {len(tokens)} words for {length} tokens", "give one for each token, in order")
    return tokens


def named(one: Any, words: Sequence[Any], sample: int, length: int) -> list[str]:
    """Labels beside an axis for a sample's tokens but padding: as given, as the attribution has them, or numbers."""
    spelt = words_of(one, words, sample, length)
    tokens = spelling(spelt, sample, None, length)
    return labels(tokens[:unpadded(tokens)]) if len(spelt) else tokens


def words_of(one: Any, words: Sequence[Any], sample: int, length: int) -> Sequence[Any]:
    """The words that were given; else those that the attribution has, if there is one for each place; else none."""
    own_words: Sequence[Any] = getattr(one, "extra", {}).get("words", ())
    return words if len(words) else own_words if len(own_words) > sample and len(own_words[sample]) == length else ()


def labels(tokens: Sequence[str]) -> list[str]:
    """Tokens as labels beside an axis: without the marks of tokenizers; a space as a low line."""
    return [piece.words.replace(" ", "_") if piece.blank else piece.words for piece in pieces(tokens)]


def unpadded(tokens: Sequence[str]) -> int:
    """How many tokens there are before the padding at the end; all of them, where there is nothing else."""
    count = len(tokens)
    while count and tokens[count - 1] in PADDING:
        count -= 1
    return count or len(tokens)


def backwards(tokens: Sequence[Piece]) -> bool:
    """Whether the text is written from right to left."""
    ways = [unicodedata.bidirectional(c) for piece in tokens for c in piece.words]
    return sum(way in ("R", "AL") for way in ways) > ways.count("L")


def _marked(token: str, mark: str) -> Piece:
    if mark == "Ġ":
        token = _decoded(token)
        mark = " "
    apart = token.startswith(mark) or SPECIAL.fullmatch(token) is not None
    bare = token.removeprefix(mark)
    return _piece(bare or " ", apart and bool(bare))


def _spaced(tokens: Sequence[str], continues: str) -> list[Piece]:
    """Words with spaces between, but for continuations and punctuation."""
    parts: list[Piece] = []
    joined = True
    for token in tokens:
        goes_on = bool(continues) and token.startswith(continues) and len(token) > len(continues)
        bare = token.removeprefix(continues) if goes_on else token
        special = SPECIAL.fullmatch(token) is not None
        apart = not (goes_on or joined or (len(bare) == 1 and bare in CLOSING + JOINING)
                     or (parts and bare and _wide(parts[-1].words[-1]) and _wide(bare[0])))
        parts.append(_piece(bare, apart or special))
        joined = len(bare) == 1 and bare in OPENING + JOINING
    return parts


def _wide(character: str) -> bool:
    """Is it of a script that has no spaces: Chinese, Japanese?"""
    return unicodedata.east_asian_width(character) in "WF" and unicodedata.category(character) != "So"


def _piece(token: str, apart: bool) -> Piece:
    ends = token.endswith(("\n", "\r"))
    if not token.strip():
        shown = "".join(VISIBLE.get(c, " ") for c in token)
        return Piece(shown if ends else shown or " ", apart, ends)
    return Piece(text.clean(token) or "�", apart, ends)


def _decoded(token: str) -> str:
    """The characters whose bytes a byte-level token spells; the token itself where it spells none."""
    try:
        return bytes(_bytes()[c] for c in token).decode("utf-8", "replace")
    except KeyError:
        return token


@cache
def _bytes() -> dict[str, int]:
    """Byte-level BPE (Radford et al. 2019) spells a byte as its Latin-1 character where that prints, and the others, in
    order, as the characters from U+0100 on."""
    plain = [byte for byte in range(256) if 33 <= byte <= 126 or 161 <= byte <= 172 or byte >= 174]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{chr(byte): byte for byte in plain}, **{chr(256 + i): byte for i, byte in enumerate(others)}}
