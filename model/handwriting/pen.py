"""A hand: the glyphs as different people write them, on different devices.

Every writer shifts, bends and slants the skeleton in a way of their own; every device reports the
pen's way finely or coarsely, with the lifts or without, steadily or with a tremor.
"""

from typing import NamedTuple

import numpy as np

from model.handwriting.glyphs import Glyph

POINTS = 40  # of each way; a coarse one stays at its last point
COARSE = (6, 7, 8, 8, 8, 9, 10, 12)  # points that a coarse device reports of a whole glyph
FINE = 0.5  # of all are written on a device that reports every point
JOINED = 0.7  # of the coarse devices do not report that the pen is lifted
TANGLE = (5, 14)  # turns of a scribble, from and below


class Ways(NamedTuple):
    """How N things were written; a glyph is about 10 high, x to the right and y down."""

    points: np.ndarray  # float32 [N, POINTS, 2]
    writes: np.ndarray  # bool [N, POINTS - 1]: whether the pen writes from a point to the next


def write(glyph: Glyph, count: int, random: np.random.Generator) -> Ways:
    """Writes a glyph `count` times, never twice the same."""
    fine = random.binomial(count, FINE)
    parts = [_write_with(glyph, POINTS, False, fine, random)]
    coarse = random.choice(COARSE, count - fine)
    for points, share in zip(*np.unique(coarse, return_counts=True), strict=True):
        joined = random.binomial(share, JOINED)
        parts.append(_write_with(glyph, points, True, joined, random))
        parts.append(_write_with(glyph, points, False, share - joined, random))
    return Ways(*map(np.concatenate, zip(*parts, strict=True)))


def scribble(count: int, random: np.random.Generator) -> Ways:
    """Writes what means nothing: a way that turns at random places, sharply or roundly."""
    points = np.empty((count, POINTS, 2), np.float32)
    for way in points:
        turns = random.integers(*TANGLE)
        at = np.linspace(0, turns - 1, POINTS)
        for axis in range(2):
            way[:, axis] = np.interp(at, np.arange(turns), random.uniform(-5, 5, turns))
        for _ in range(random.integers(0, 4)):
            way[1:-1] = (way[:-2] + 2 * way[1:-1] + way[2:]) / 4
    return Ways(points, random.random((count, POINTS - 1)) < random.choice([0.97, 1], (count, 1)))


def _write_with(
    glyph: Glyph, points: int, joined: bool, count: int, random: np.random.Generator
) -> Ways:
    matrix, writes = glyph.sample(points, joined)
    loose = random.gamma(2, 0.15, (count, 1, 1))
    control = glyph.control + loose * random.standard_normal((count, *glyph.control.shape))
    ways = matrix @ (control - glyph.control.mean(axis=0))  # [count, points, 2]
    ways = _bend(ways, random) @ _lean(count, random)
    tremor = random.exponential(0.06, (count, 1, 1))
    ways += tremor * random.standard_normal(ways.shape)
    behind = POINTS - len(matrix)
    return Ways(
        np.pad(ways, ((0, 0), (0, behind), (0, 0)), mode="edge").astype(np.float32),
        np.tile(np.append(writes, np.zeros(behind, bool)), (count, 1)),
    )


def _bend(ways: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Moves each point by a slow wave across the paper, as a hand's proportions differ."""
    count = len(ways)
    waves = random.normal(0, 0.3, (count, 2, 2))  # radians a unit, for x and y to move by
    phases = random.uniform(0, 2 * np.pi, (count, 1, 2))
    return ways + random.gamma(2, 0.2, (count, 1, 2)) * np.sin(ways @ waves + phases)


def _lean(count: int, random: np.random.Generator) -> np.ndarray:
    """Matrices [count, 2, 2] for rows (x, y): narrow or wide, slanted, turned."""
    wide = np.exp(random.normal(0, 0.25, count))
    slant = random.normal(-0.1, 0.2, count)  # x for each y; most hands lean to the right
    turn = random.normal(0, np.radians(7), count)
    cos, sin, zero, one = np.cos(turn), np.sin(turn), np.zeros(count), np.ones(count)
    slanted = np.stack([wide, zero, slant, one], axis=1).reshape(-1, 2, 2)
    return slanted @ np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)
