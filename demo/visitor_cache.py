"""What the model made of each visitor's last picture, so that a detail costs no prediction."""

from collections import OrderedDict

import numpy as np

from demo.errors import Expired
from demo.network import Inference

MAX_VISITORS = 256
MAX_BYTES = 2**26  # of layers in full, of all visitors together


class VisitorCache:
    """Remembers the last visitors, each picture `B` and the `A` that it is compared with."""

    def __init__(self):
        self._of: OrderedDict[str, dict[str, Inference]] = OrderedDict()
        # Layers in full, by the picture and the number of the layer.
        self._full: OrderedDict[tuple[int, int], tuple[Inference, np.ndarray]] = OrderedDict()
        self._bytes = 0

    def put(self, visitor: str, seen: Inference, name: str = "B") -> None:
        """Keeps it in place of the visitor's last one of that name."""
        self._of.setdefault(visitor, {})[name] = seen
        self._of.move_to_end(visitor)
        if len(self._of) > MAX_VISITORS:
            self._of.popitem(last=False)

    def drop(self, visitor: str) -> None:
        """Keeps nothing more of a visitor."""
        self._of.pop(visitor, None)

    def get(self, visitor: str, name: str = "B") -> Inference:
        """The visitor's last one of that name.

        Raises:
            Expired: the visitor is, or has not kept an `A`.
        """
        try:
            return self._of[visitor][name]
        except KeyError as error:
            raise Expired(f"{visitor} has no {error}") from None

    def put_full(self, seen: Inference, layer: int, activations: np.ndarray) -> None:
        """Keeps all activations of a layer, as long as there is room."""
        if (id(seen), layer) in self._full:
            return
        self._full[id(seen), layer] = seen, activations  # so that the number stays this one's
        self._bytes += activations.nbytes
        while self._bytes > MAX_BYTES:
            _, (_, oldest) = self._full.popitem(last=False)
            self._bytes -= oldest.nbytes

    def full(self, seen: Inference, layer: int) -> np.ndarray | None:
        """All activations of a layer, if they are kept."""
        _, activations = self._full.get((id(seen), layer), (None, None))
        return activations
