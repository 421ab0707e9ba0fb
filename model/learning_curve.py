"""The learning curve: loss and validation accuracy by training step."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FILE = "curve.json"
SPACING = (1, 1.5, 2, 3, 5, 7)  # times 1, 10, 100, …: the steps at which the loss is recorded


class Point(NamedTuple):
    """A point of the curve; what was not measured at its step is None."""

    step: int
    loss: float | None  # mean since the previous point with a loss, or since the epoch's start
    accuracy: float | None  # on validation digits, 0 to 1


def is_recorded(step: int) -> bool:
    """Returns whether the loss is recorded at a step: close together at first."""
    return is_spaced(step, SPACING)


def is_spaced(step: int, spacing: Sequence[float]) -> bool:
    """Returns whether a step is one of `spacing` times 1, 10, 100, …"""
    return step / 10 ** (len(str(step)) - 1) in spacing


def save_curve(points: list[Point], folder: Path) -> None:
    """Writes the curve to `folder/curve.json`: [step, loss, accuracy] for each point."""
    lines = ",\n".join(json.dumps(point) for point in points)
    (folder / FILE).write_text(f"[\n{lines}\n]\n")


def load_curve(folder: Path) -> list[Point]:
    """Returns the curve of a folder of snapshots; empty if it has none."""
    path = folder / FILE
    return [Point(*point) for point in json.loads(path.read_text())] if path.exists() else []
