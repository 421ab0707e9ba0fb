"""The activations of each visitor's last drawing, so that a detail of them costs no prediction."""

from collections import OrderedDict
from typing import TypedDict

import numpy as np

from demo.errors import Forgotten, RequestError
from demo.layers import find_layer
from serving.client import Prediction

MOST_VISITORS = 256  # each has a drawing, and one that it is compared with, of 0.2 MB


class Unit(TypedDict):
    """One unit, exactly, and the map that it is in."""

    value: float
    largest: float  # of the map
    mean: float


class Kept:
    """Remembers the last visitors, each drawing `B` and the `A` that it is compared with."""

    def __init__(self):
        self._of: OrderedDict[str, dict[str, Prediction]] = OrderedDict()

    def put(self, visitor: str, activations: Prediction, name: str = "B") -> None:
        """Keeps them in place of the visitor's last ones of that name."""
        self._of.setdefault(visitor, {})[name] = activations
        self._of.move_to_end(visitor)
        if len(self._of) > MOST_VISITORS:
            self._of.popitem(last=False)

    def drop(self, visitor: str) -> None:
        """Keeps nothing more of a visitor."""
        self._of.pop(visitor, None)

    def get(self, visitor: str, shown: str = "B") -> Prediction:
        """The visitor's last ones: `B`, `A`, or their `difference` B - A.

        Raises:
            Forgotten: the visitor is, or has not kept an `A`.
        """
        kept = self._of.get(visitor, {})
        try:
            if shown != "difference":
                return kept[shown]
            a, b = kept["A"], kept["B"]
        except KeyError as error:
            raise Forgotten(f"{visitor} has no {error}") from None
        return Prediction({name: array - a[name] for name, array in b.items()})

    def unit(self, visitor: str, shown: str, layer: str, map: int, row: int, column: int) -> Unit:
        """What a unit of the visitor's last drawing is at.

        Raises:
            Forgotten: the visitor is, or has not kept an `A`.
            RequestError: there is no such unit.
        """
        maps = find_layer(layer).unflatten(self.get(visitor, shown)[layer])
        check_unit(maps, layer, map, row, column)
        one = maps[:, :, map]  # [side, side]
        return Unit(value=float(one[row, column]), largest=float(one.max()), mean=float(one.mean()))


def check_unit(maps: np.ndarray, layer: str, map: int, row: int, column: int) -> None:
    """Raises RequestError if maps, [side, side, maps], have no such unit."""
    places = zip((row, column, map), maps.shape)
    if not all(type(at) is int and 0 <= at < end for at, end in places):
        raise RequestError(f"{layer} has no unit at {row}, {column} of map {map}")
