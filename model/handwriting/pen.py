"""Writes glyphs as different people do on different devices.

Each writer shifts, bends and slants the skeleton differently. Each device reports the trajectory
finely or coarsely, with pen lifts or without, steadily or with tremor.
"""

from typing import NamedTuple

import numpy as np

from model.handwriting.glyphs import Glyph

POINTS = 40  # per trajectory; a coarse one repeats its last point
COARSE = (6, 7, 8, 8, 8, 9, 10, 12)  # points per glyph on coarse devices
FINE = 0.5  # fraction written on a device that reports every point
JOINED = 0.7  # fraction of coarse devices that do not report pen lifts
TANGLE = (5, 14)  # turns of a scribble: minimum, and end of the range


class Trajectories(NamedTuple):
    """Pen trajectories; a glyph is about 10 high, x points right and y down."""

    points: np.ndarray  # float32 [N, POINTS, 2]
    writes: np.ndarray  # bool [N, POINTS - 1]: whether the pen writes from a point to the next


def write(glyph: Glyph, count: int, random: np.random.Generator) -> Trajectories:
    """Returns `count` random variants of a glyph."""
    fine = random.binomial(count, FINE)
    parts = [_write_with(glyph, POINTS, False, fine, random)]
    coarse = random.choice(COARSE, count - fine)
    for points, number in zip(*np.unique(coarse, return_counts=True), strict=True):
        joined = random.binomial(number, JOINED)
        parts.append(_write_with(glyph, points, True, joined, random))
        parts.append(_write_with(glyph, points, False, number - joined, random))
    return Trajectories(*map(np.concatenate, zip(*parts, strict=True)))


def scribble(count: int, random: np.random.Generator) -> Trajectories:
    """Returns `count` scribbles, which turn at random positions, sharply or smoothly."""
    points = np.empty((count, POINTS, 2), np.float32)
    for trajectory in points:
        turns = random.integers(*TANGLE)
        position = np.linspace(0, turns - 1, POINTS)
        for axis in range(2):
            corners = random.uniform(-5, 5, turns)
            trajectory[:, axis] = np.interp(position, np.arange(turns), corners)
        for _ in range(random.integers(0, 4)):
            trajectory[1:-1] = (trajectory[:-2] + 2 * trajectory[1:-1] + trajectory[2:]) / 4
    writes = random.random((count, POINTS - 1)) < random.choice([0.97, 1], (count, 1))
    return Trajectories(points, writes)


def _write_with(
    glyph: Glyph, points: int, joined: bool, count: int, random: np.random.Generator
) -> Trajectories:
    matrix, writes = glyph.sample(points, joined)
    loose = random.gamma(2, 0.15, (count, 1, 1))
    control = glyph.control + loose * random.standard_normal((count, *glyph.control.shape))
    written = matrix @ (control - glyph.control.mean(axis=0))  # [count, points, 2]
    written = _bend(written, random) @ _lean(count, random)
    tremor = random.exponential(0.06, (count, 1, 1))
    written += tremor * random.standard_normal(written.shape)
    missing = POINTS - len(matrix)
    return Trajectories(
        np.pad(written, ((0, 0), (0, missing), (0, 0)), mode="edge").astype(np.float32),
        np.tile(np.append(writes, np.zeros(missing, bool)), (count, 1)),
    )


def _bend(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Changes the proportions of [N, P, 2] by a slow wave across the paper."""
    count = len(points)
    waves = random.normal(0, 0.3, (count, 2, 2))  # radians per unit, for shifts of x and y
    phases = random.uniform(0, 2 * np.pi, (count, 1, 2))
    return points + random.gamma(2, 0.2, (count, 1, 2)) * np.sin(points @ waves + phases)


def _lean(count: int, random: np.random.Generator) -> np.ndarray:
    """Returns matrices [count, 2, 2] for rows (x, y) that scale the width, slant and rotate."""
    width = np.exp(random.normal(0, 0.25, count))
    slant = random.normal(-0.1, 0.2, count)  # x per y; most writers lean to the right
    turn = random.normal(0, np.radians(7), count)
    cos, sin, zero, one = np.cos(turn), np.sin(turn), np.zeros(count), np.ones(count)
    slanted = np.stack([width, zero, slant, one], axis=1).reshape(-1, 2, 2)
    return slanted @ np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)
