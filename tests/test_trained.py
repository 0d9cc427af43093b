"""The gallery's trained models know what they are shown to know."""
from __future__ import annotations

import torch

from tests import trained


def test_the_digits_network_reads_digits_it_has_not_seen():
    images, labels = trained.digit_images(300)
    with torch.no_grad():
        assert (trained.digits_cnn()(images).argmax(1) == labels).float().mean() >= 0.97


def test_the_date_reader_writes_dates_by_itself():
    """Each character from those that it has written before."""
    model, ((text, _), goal) = trained.date_reader(), trained.date_pairs(200)
    written = torch.zeros_like(goal)
    with torch.no_grad():
        for place in range(goal.shape[1]):
            best = model(text, written)[:, place].argmax(-1)
            written = torch.cat([written[:, :place + 1], best[:, None], written[:, place + 2:]], 1)[:, :goal.shape[1]]
        final = model(text, written).argmax(-1)
    assert (final == goal).all(1).float().mean() >= 0.97


def test_the_chapter_reader_knows_texts_it_has_not_seen():
    """The largest chapter has four pieces of ten."""
    text, chapters = trained.pieces(1000)
    with torch.no_grad():
        assert (trained.chapter_reader()(text).argmax(1) == chapters).float().mean() >= 0.8


def test_a_unit_of_the_character_model_follows_quotations():
    """In paragraphs it has not seen, by the sign of one unit alone (inside are three characters of twenty)."""
    model, units, inside = trained.char_lstm(), [], []
    for text in trained.quoting():
        given = trained.gallery("lstm").ids(text)
        with torch.no_grad():
            units.append(model.lstm(model.embedding(given[None]))[0][0])
        marks = (given == ord('"') - 32).cumsum(0) % 2
        inside.append(marks)
    states, quoted = torch.cat(units), torch.cat(inside).float()
    assert torch.corrcoef(torch.stack([quoted, *states.T]))[0, 1:].abs().max() >= 0.5
