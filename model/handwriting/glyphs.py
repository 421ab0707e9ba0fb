"""Skeletons of handwriting, and the pen's way through them as a matrix.

A smooth curve through control points is linear in them (Catmull and Rom, "A class of local
interpolating splines", 1974). So the way through a glyph is computed once, as a matrix, and writes
any number of varied glyphs in one multiplication.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

STEPS = 24  # of the curve from one control point to the next


class Glyph(NamedTuple):
    """One way to write one thing."""

    kind: str  # "0" to "9", or "train" and "test" for what is no digit
    name: str
    control: np.ndarray  # float [P, 2], x and y
    curve: np.ndarray  # float [M, P]: `curve @ control` is the pen's way, finely
    strokes: tuple[slice, ...]  # of the way; between two of them the pen is lifted

    def sample(self, points: int, joined: bool) -> tuple[np.ndarray, np.ndarray]:
        """The pen's way at evenly spaced points, as by a device that reports only so many.

        Args:
            points: how many in all, but two a stroke at least.
            joined: whether they lead on through the air from stroke to stroke.

        Returns:
            A matrix [points, P] to be multiplied with control points, and bool [points - 1]:
            whether the pen writes between a point and the next.
        """
        strokes = [slice(0, len(self.curve))] if joined else self.strokes
        way = self.curve @ self.control
        ends = [_lengths(way[stroke]) for stroke in strokes]
        counts = _share(points, np.array([lengths[-1] for lengths in ends]))
        rows, writes = [], []
        for stroke, lengths, count in zip(strokes, ends, counts, strict=True):
            at = np.interp(np.linspace(0, lengths[-1], count), lengths, np.arange(len(lengths)))
            low = np.minimum(at.astype(int), len(lengths) - 2)
            part = (at - low)[:, None]
            curve = self.curve[stroke]
            rows.append((1 - part) * curve[low] + part * curve[low + 1])
            writes += [True] * (count - 1) + [False]
        return np.concatenate(rows), np.array(writes[:-1])


@cache
def read_glyphs() -> tuple[Glyph, ...]:
    """All glyphs of `glyphs.txt`, which explains its own form."""
    lines = (Path(__file__).parent / "glyphs.txt").read_text().splitlines()
    return tuple(_parse(line) for line in lines if line and not line.startswith("#"))


def _parse(line: str) -> Glyph:
    kind, name, way = line.split(maxsplit=2)
    control = [xy for xy in way.split() if xy not in "|/"]
    curve, strokes = [], []
    first = 0  # control point of the stroke
    for stroke in way.split("/"):
        start = sum(map(len, curve))
        pieces = [piece.split() for piece in stroke.split("|")]
        for index, piece in enumerate(pieces):
            behind = first + len(piece)
            first -= index > 0  # a sharp turn starts where the piece before it ended
            curve.append(_catmull_rom(first, behind, len(control)))
            first = behind
        strokes.append(slice(start, sum(map(len, curve))))
    points = np.array([xy.split(",") for xy in control], float)
    return Glyph(kind, name, points, np.concatenate(curve), tuple(strokes))


def _catmull_rom(first: int, behind: int, count: int) -> np.ndarray:
    """The curve through control points first .. behind - 1 of `count`, as a matrix [M, count]."""
    p = np.eye(count)[first:behind]
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    at = np.linspace(0, behind - first - 1, STEPS * (behind - first - 1) + 1)[:-1]
    at = np.append(at, behind - first - 1 - 1e-9)
    i, t = at.astype(int), (at % 1)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return b + t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))) / 2


def _lengths(way: np.ndarray) -> np.ndarray:
    """How far the pen has come at each point."""
    return np.append(0, np.linalg.norm(np.diff(way, axis=0), axis=1).cumsum())


def _share(points: int, lengths: np.ndarray) -> np.ndarray:
    """How many points each stroke gets: two at least, the rest by its length."""
    spare = max(0, points - 2 * len(lengths)) * lengths / lengths.sum()
    return 2 + np.diff(np.round(np.append(0, spare.cumsum()))).astype(int)
