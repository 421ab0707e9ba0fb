"""The activations of each visitor's last drawing, so that a detail of them costs no prediction."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TypedDict

import numpy as np

from demo.layers import GALLERIES

MOST = 256  # visitors; of one drawing 0.2 MB are kept
Activations = Mapping[str, np.ndarray]


class Unit(TypedDict):
    """One unit, exactly, and the map that it is in."""

    value: float
    largest: float  # of the map
    mean: float


class Kept:
    """Remembers the last visitors; may be used from many threads."""

    def __init__(self):
        self._of: OrderedDict[str, Activations] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, visitor: str, activations: Activations) -> None:
        """Keeps them in place of the visitor's last ones."""
        with self._lock:
            self._of[visitor] = activations
            self._of.move_to_end(visitor)
            if len(self._of) > MOST:
                self._of.popitem(last=False)

    def get(self, visitor: str) -> Activations:
        """The visitor's last ones.

        Raises:
            KeyError: the visitor is forgotten.
        """
        with self._lock:
            return self._of[visitor]

    def unit(self, visitor: str, layer: str, map: int, row: int, column: int) -> Unit:
        """What a unit of the visitor's last drawing is at.

        Raises:
            KeyError: the visitor is forgotten.
            IndexError: there is no such unit.
        """
        [size] = [(g.side, g.side, g.maps) for g in GALLERIES if g.name == layer] or [(0, 0, 0)]
        if not all(type(at) is int and 0 <= at < end for at, end in zip((row, column, map), size)):
            raise IndexError(f"{layer} has no unit at {row}, {column} of map {map}")
        one = self.get(visitor)[layer].reshape(size)[:, :, map]  # [side, side]
        return Unit(value=float(one[row, column]), largest=float(one.max()), mean=float(one.mean()))
