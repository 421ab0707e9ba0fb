"""Generates handwriting that MNIST lacks: other writers, other devices, and non-digits.

MNIST has digits from one country, written on one kind of form. Visitors of a page also write a 1
with a flag, a 7 with a bar, and letters, with a mouse or a finger. `glyphs` has the skeletons,
`pen` varies them as different writers do, and `ink` draws them.
"""

from collections.abc import Sequence

import numpy as np

from model.handwriting.glyphs import Glyph, read_glyphs
from model.handwriting.ink import draw
from model.handwriting.pen import Trajectories, scribble, write

NO_DIGIT = 10  # label of non-digits
BLANK = 0.05  # fraction of scribbles without ink

# Images uint8 [N, 28, 28] in MNIST's form, and labels uint8 [N].
Samples = tuple[np.ndarray, np.ndarray]


def write_digits(count: int, styles: Sequence[str], random: np.random.Generator) -> Samples:
    """Generates digits, each equally often and in all its variants.

    Args:
        count: number of images.
        styles: of `ink.draw`, each for an equal part.
        random: generator.
    """
    glyphs = [glyph for glyph in read_glyphs() if glyph.kind.isdecimal()]
    digits = np.array([int(glyph.kind) for glyph in glyphs], np.uint8)
    counts = random.multinomial(count, 1 / 10 / np.bincount(digits)[digits])
    trajectories = _write_all(glyphs, counts, random)
    return _draw_all(trajectories, np.repeat(digits, counts), styles, random)


def write_signs(
    count: int, kind: str, styles: Sequence[str], random: np.random.Generator
) -> Samples:
    """Generates letters and signs.

    Args:
        count: number of images.
        kind: "train", or "test" for those held out.
        styles: of `ink.draw`, each for an equal part.
        random: generator.
    """
    glyphs = [glyph for glyph in read_glyphs() if glyph.kind == kind]
    counts = random.multinomial(count, np.full(len(glyphs), 1 / len(glyphs)))
    trajectories = _write_all(glyphs, counts, random)
    return _draw_all(trajectories, np.full(count, NO_DIGIT, np.uint8), styles, random)


def write_scribbles(count: int, styles: Sequence[str], random: np.random.Generator) -> Samples:
    """Generates scribbles, some of them blank; arguments as of `write_digits`."""
    labels = np.full(count, NO_DIGIT, np.uint8)
    images, labels = _draw_all(scribble(count, random), labels, styles, random)
    images[: round(BLANK * count)] = 0
    return images, labels


def _write_all(
    glyphs: Sequence[Glyph], counts: np.ndarray, random: np.random.Generator
) -> Trajectories:
    parts = [write(glyph, count, random) for glyph, count in zip(glyphs, counts, strict=True)]
    return Trajectories(*map(np.concatenate, zip(*parts, strict=True)))


def _draw_all(
    trajectories: Trajectories,
    labels: np.ndarray,
    styles: Sequence[str],
    random: np.random.Generator,
) -> Samples:
    parts = np.array_split(random.permutation(len(labels)), len(styles))
    images = [
        draw(Trajectories(*(array[part] for array in trajectories)), style, random)
        for part, style in zip(parts, styles, strict=True)
    ]
    return np.concatenate(images), labels[np.concatenate(parts)]
