"""Caches the inference of each visitor's last picture, so that details need no new prediction."""

from collections import OrderedDict

import numpy as np

from demo.errors import Expired
from demo.network import Inference

MAX_VISITORS = 256  # live connections; beyond that, WebSocket close 1013
MAX_BYTES = 2**26  # activations of whole layers, for all visitors together


class VisitorCache:
    """Keeps two inferences per visitor: the current picture `B` and the `A` it is compared with.

    The least recent visitor is dropped first.
    """

    def __init__(self):
        self._visitors: OrderedDict[str, dict[str, Inference]] = OrderedDict()
        # By ID of the inference and index of the layer, oldest first. The inference is kept with
        # the activations, so that no other object gets its ID.
        self._activations: OrderedDict[tuple[int, int], tuple[Inference, np.ndarray]]
        self._activations = OrderedDict()
        self._bytes = 0

    def put(self, visitor: str, inference: Inference, name: str = "B") -> None:
        """Replaces the visitor's inference of that name."""
        self._visitors.setdefault(visitor, {})[name] = inference
        self._visitors.move_to_end(visitor)
        if len(self._visitors) > MAX_VISITORS:
            self._visitors.popitem(last=False)

    def drop(self, visitor: str) -> None:
        """Removes a visitor."""
        self._visitors.pop(visitor, None)

    def get(self, visitor: str, name: str = "B") -> Inference:
        """Returns the visitor's inference of that name.

        Raises:
            Expired: the visitor was dropped, or has no inference of that name.
        """
        try:
            return self._visitors[visitor][name]
        except KeyError as error:
            raise Expired(f"{visitor} has no {error}") from None

    def put_activations(self, inference: Inference, layer: int, activations: np.ndarray) -> None:
        """Caches all activations of a layer, and removes the oldest beyond `MAX_BYTES`."""
        if (id(inference), layer) in self._activations:
            return
        self._activations[id(inference), layer] = inference, activations
        self._bytes += activations.nbytes
        while self._bytes > MAX_BYTES:
            _, (_, oldest) = self._activations.popitem(last=False)
            self._bytes -= oldest.nbytes

    def activations(self, inference: Inference, layer: int) -> np.ndarray | None:
        """Returns all activations of a layer, or None if they are not cached."""
        _, activations = self._activations.get((id(inference), layer), (None, None))
        return activations
