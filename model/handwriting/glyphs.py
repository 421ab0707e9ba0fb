"""Skeletons of handwriting, and the pen's trajectory through them as a matrix.

A smooth curve through control points is linear in them (Catmull and Rom, "A class of local
interpolating splines", 1974). So a glyph's curve is computed once, as a matrix, and one
multiplication draws any number of variants.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

STEPS = 24  # points of the curve per control point


class Glyph(NamedTuple):
    """One way to write a digit or sign."""

    kind: str  # "0" to "9", or "train" and "test" for non-digits
    name: str
    control: np.ndarray  # float [P, 2], x and y of the control points
    curve: np.ndarray  # float [M, P]: `curve @ control` is the trajectory, finely sampled
    strokes: tuple[slice, ...]  # of the trajectory; between two of them the pen is lifted

    def sample(self, points: int, joined: bool) -> tuple[np.ndarray, np.ndarray]:
        """Samples the trajectory at evenly spaced points, as a device reports it.

        Args:
            points: total number, with at least two per stroke.
            joined: whether the strokes are connected.

        Returns:
            A matrix [points, P], to be multiplied with control points, and bool [points - 1]:
            whether the pen writes between a point and the next.
        """
        strokes = [slice(0, len(self.curve))] if joined else self.strokes
        trajectory = self.curve @ self.control
        distances = [_distances(trajectory[stroke]) for stroke in strokes]
        counts = _share(points, np.array([distance[-1] for distance in distances]))
        rows, writes = [], []
        for stroke, distance, count in zip(strokes, distances, counts, strict=True):
            spaced = np.linspace(0, distance[-1], count)
            index = np.interp(spaced, distance, np.arange(len(distance)))
            low = np.minimum(index.astype(int), len(distance) - 2)
            part = (index - low)[:, None]
            curve = self.curve[stroke]
            rows.append((1 - part) * curve[low] + part * curve[low + 1])
            writes += [True] * (count - 1) + [False]
        return np.concatenate(rows), np.array(writes[:-1])


@cache
def read_glyphs() -> tuple[Glyph, ...]:
    """Returns all glyphs of `glyphs.txt`, which describes its format."""
    lines = (Path(__file__).parent / "glyphs.txt").read_text().splitlines()
    return tuple(_parse(line) for line in lines if line and not line.startswith("#"))


def _parse(line: str) -> Glyph:
    kind, name, path = line.split(maxsplit=2)
    control = [xy for xy in path.split() if xy not in "|/"]
    curve, strokes = [], []
    first = 0  # control point of the piece
    for stroke in path.split("/"):
        start = sum(map(len, curve))
        pieces = [piece.split() for piece in stroke.split("|")]
        for index, piece in enumerate(pieces):
            end = first + len(piece)
            first -= index > 0  # a piece after a sharp turn starts where the last ended
            curve.append(_catmull_rom(first, end, len(control)))
            first = end
        strokes.append(slice(start, sum(map(len, curve))))
    points = np.array([xy.split(",") for xy in control], float)
    return Glyph(kind, name, points, np.concatenate(curve), tuple(strokes))


def _catmull_rom(first: int, end: int, count: int) -> np.ndarray:
    """Returns the curve through the control points [first:end] of `count`: a matrix [M, count]."""
    p = np.eye(count)[first:end]
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    last = end - first - 1
    position = np.append(np.linspace(0, last, STEPS * last + 1)[:-1], last - 1e-9)
    i, t = position.astype(int), (position % 1)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return b + t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))) / 2


def _distances(trajectory: np.ndarray) -> np.ndarray:
    """Returns the distance along the trajectory of each of its points."""
    return np.append(0, np.linalg.norm(np.diff(trajectory, axis=0), axis=1).cumsum())


def _share(points: int, lengths: np.ndarray) -> np.ndarray:
    """Returns the number of points of each stroke: at least two, the rest by its length."""
    spare = max(0, points - 2 * len(lengths)) * lengths / lengths.sum()
    return 2 + np.diff(np.round(np.append(0, spare.cumsum()))).astype(int)
