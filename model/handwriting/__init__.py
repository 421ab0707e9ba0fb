"""Handwriting that MNIST does not have: other hands, other devices, and what is no digit at all.

MNIST is one country's digits on one kind of form. People who draw on a page write a 1 with a flag
and a 7 with a bar, with a mouse or a finger, and letters too. All of it is written here by a
generator: `glyphs` are the skeletons, `pen` varies them as hands do, `ink` draws them.
"""

from collections.abc import Sequence

import numpy as np

from model.handwriting.glyphs import Glyph, read_glyphs
from model.handwriting.ink import draw
from model.handwriting.pen import Ways, scribble, write

NO_DIGIT = 10  # the label of what is none
BLANK = 0.05  # of all scribbles have no ink

# Images uint8 [N, 28, 28] in MNIST's form, and labels uint8 [N].
Written = tuple[np.ndarray, np.ndarray]


def write_digits(count: int, styles: Sequence[str], random: np.random.Generator) -> Written:
    """Writes digits, each equally often and in all the ways that there are.

    Args:
        styles: of `ink.draw`, each for an equal part.
    """
    glyphs = [glyph for glyph in read_glyphs() if glyph.kind.isdecimal()]
    digits = np.array([int(glyph.kind) for glyph in glyphs], np.uint8)
    counts = random.multinomial(count, 1 / 10 / np.bincount(digits)[digits])
    ways = _write_all(glyphs, counts, random)
    return _draw_all(ways, np.repeat(digits, counts), styles, random)


def write_signs(
    count: int, kind: str, styles: Sequence[str], random: np.random.Generator
) -> Written:
    """Writes letters and signs, which are no digits.

    Args:
        kind: "train", or "test" for those that training does not know.
        styles: of `ink.draw`, each for an equal part.
    """
    glyphs = [glyph for glyph in read_glyphs() if glyph.kind == kind]
    counts = random.multinomial(count, np.full(len(glyphs), 1 / len(glyphs)))
    ways = _write_all(glyphs, counts, random)
    return _draw_all(ways, np.full(count, NO_DIGIT, np.uint8), styles, random)


def write_scribbles(count: int, styles: Sequence[str], random: np.random.Generator) -> Written:
    """Writes what means nothing; some of it is nothing at all."""
    labels = np.full(count, NO_DIGIT, np.uint8)
    images, labels = _draw_all(scribble(count, random), labels, styles, random)
    images[: round(BLANK * count)] = 0
    return images, labels


def _write_all(glyphs: Sequence[Glyph], counts: np.ndarray, random: np.random.Generator) -> Ways:
    return _join([write(glyph, n, random) for glyph, n in zip(glyphs, counts, strict=True)])


def _draw_all(
    ways: Ways, labels: np.ndarray, styles: Sequence[str], random: np.random.Generator
) -> Written:
    parts = np.array_split(random.permutation(len(labels)), len(styles))
    images = [
        draw(Ways(ways.points[part], ways.writes[part]), style, random)
        for part, style in zip(parts, styles, strict=True)
    ]
    return np.concatenate(images), labels[np.concatenate(parts)]


def _join(parts: Sequence[Ways]) -> Ways:
    return Ways(*map(np.concatenate, zip(*parts, strict=True)))
