"""How a version was trained, as its description says."""

import math
from typing import Any, NamedTuple

MAX_POINTS = 1000  # of a learning curve

# Step, training loss, and validation accuracy from 0 to 1; what was not measured is None.
Point = tuple[int, float | None, float | None]


class TrainingRecord(NamedTuple):
    """The training of a version; by default nothing is known of it."""

    version_offset: int = 0  # the version's number minus its training steps; equal within a run
    curve: tuple[Point, ...] = ()


def read_training(fields: Any) -> TrainingRecord:
    """Reads the optional field `trained` of a description.

    Models of others may have a field of this name that means something else, so what cannot be
    read counts as unknown.
    """
    try:
        offset, curve = fields["version_offset"], fields["curve"]
        points = tuple((step, loss, accuracy) for step, loss, accuracy in curve[:MAX_POINTS])
        is_valid = type(offset) is int and 0 <= offset < 2**53 and all(map(_is_point, points))
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return TrainingRecord()
    if not is_valid:
        return TrainingRecord()
    return TrainingRecord(offset, tuple(sorted(points, key=lambda point: point[0])))


def _is_point(point: Point) -> bool:
    step, loss, accuracy = point
    return (
        type(step) is int
        and 0 < step < 2**53
        and (loss is None or _is_number(loss))
        and (accuracy is None or (_is_number(accuracy) and 0 <= accuracy <= 1))
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
