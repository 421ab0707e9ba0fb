"""A served model as the page asks it: pictures in, layers and scores out.

What a model can be asked is in its description; each version has its own, and is asked for it once.
"""

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from demo.description import Description, Layer, read_description
from serving.client import Client, Prediction, WrongAnswer

EXPLAIN_SECONDS = 10.0  # an explanation reads a picture 16 times, and backwards too
MAX_VERSIONS = 64  # whose descriptions are kept


@dataclass
class Inference:
    """What the model made of one picture: some of its layers, and the scores.

    Args:
        picture: uint8 [H, W, 1 or 3].
        description: of the version that answered.
        maps: by layer, the maps that are shown: float32 [height, width, maps].
        ranges: by layer, the least and the largest activation of each: float32 [maps, 2].
        scores: float32 [classes]; None where there are none.
        probabilities: float32 [classes]; None where these are none.
    """

    picture: np.ndarray
    description: Description
    maps: dict[int, np.ndarray]
    ranges: dict[int, np.ndarray]
    scores: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    @property
    def version(self) -> int:
        return self.description.version


class Parameters(NamedTuple):
    """What one map of a layer is made with."""

    kernel: np.ndarray  # of the kind's shape; of no size where there is none
    bias: float
    feature: np.ndarray  # uint8 [H, W], what drives it most; of no size where nobody knows


class Explanation(NamedTuple):
    """What each part of a picture says of one class."""

    label: int
    contributions: np.ndarray  # float32 [H, W]
    field: np.ndarray  # where they lie: top, left, height and width as fractions of the picture's


class Network(Protocol):
    """One served model. All methods raise `ServingError`."""

    client: Client

    @property
    def last(self) -> Description:
        """The last description that is known: most versions of a model have the same."""

    def description(self, version: int | None = None) -> Description:
        """Of a version, the newest if None."""

    def infer(
        self, pictures: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> list[Inference]:
        """Some layers of some pictures, uint8 [N, H, W, 1 or 3]."""

    def activations(self, picture: np.ndarray, layer: Layer, version: int) -> np.ndarray:
        """All activations of a layer: float32 of its shape."""

    def parameters(self, layer: Layer, map: int, version: int) -> Parameters:
        """What a map of a layer is made with."""

    def explain(self, picture: np.ndarray, label: int | None, version: int | None) -> Explanation:
        """What speaks for a class, the likeliest if None."""


class ExposedNetwork:
    """A model that describes itself, as all do that `export.py` has exported."""

    def __init__(self, client: Client):
        self.client = client
        self._last: Description | None = None
        self._described = functools.lru_cache(MAX_VERSIONS)(self._describe)

    @property
    def last(self) -> Description:
        return self._last or self.description()

    def description(self, version: int | None = None) -> Description:
        return self._describe(None) if version is None else self._described(version)

    def _describe(self, version: int | None) -> Description:
        anything = {"anything": np.zeros(1, np.int32)}
        told = self.client.predict("describe", anything, version=version)
        with self._trusting():
            text = told["descriptions"].reshape(-1)[0].decode(errors="replace")
        signatures = frozenset(self.client.signatures(told.version))
        description = read_description(text, self.client.model, told.version, signatures)
        self._last = description
        return description

    def infer(
        self, pictures: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> list[Inference]:
        wanted = {"pictures": pictures, "layers": np.array(layers, np.int32)}
        answer = self.client.predict("preview", wanted, version=version)
        description = self._described(answer.version)
        shown = [description.find_layer(index) for index in sorted(set(layers))]
        with self._trusting():
            return [
                _unpack(answer, row, picture, description, shown)
                for row, picture in enumerate(pictures)
            ]

    def activations(self, picture: np.ndarray, layer: Layer, version: int) -> np.ndarray:
        inputs = {"pictures": picture[None], "layer": np.array(layer.index, np.int32)}
        told = self.client.predict("layer", inputs, version=version)
        with self._trusting():
            return told["activations"].reshape(layer.shape)

    def parameters(self, layer: Layer, map: int, version: int) -> Parameters:
        numbers = {"layer": np.array(layer.index, np.int32), "map": np.array(map, np.int32)}
        told = self.client.predict("parameters", numbers, version=version)
        with self._trusting():
            return Parameters(told["kernel"], float(told["bias"]), told["feature"])

    def explain(self, picture: np.ndarray, label: int | None, version: int | None) -> Explanation:
        known = self.last if version is None else self._described(version)
        inputs = {"pictures": picture[None], "classes": np.array([-1 if label is None else label])}
        told = self.client.predict(known.explain, inputs, version=version, timeout=EXPLAIN_SECONDS)
        with self._trusting():
            [label], [contributions], [field] = (
                told[name] for name in ("classes", "contributions", "fields")
            )
            return Explanation(int(label), contributions, field)

    @contextlib.contextmanager
    def _trusting(self) -> Iterator[None]:
        """What an answer is taken for it may not be: that is the server's fault."""
        try:
            yield
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise WrongAnswer(
                f"{self.client.model} answers other than its description promises: {error!r}."
            ) from error


def _unpack(
    answer: Prediction, row: int, picture: np.ndarray, description: Description, layers: list[Layer]
) -> Inference:
    """One picture's row of what `look` answers."""
    seen = Inference(picture, description, {}, {})
    levels, ranges = answer["maps"][row], answer["ranges"][row]
    at = first = 0  # in the one and in the other
    for layer in layers:
        count = len(layer.maps)
        shape = (layer.height, layer.width, count)
        end = at + math.prod(shape)
        span = ranges[first : first + count]  # [maps, 2]
        if len(levels) < end or len(span) < count:
            raise ValueError(f"there is too little of {layer.name}")
        span = np.nan_to_num(span)
        steps = (span[:, 1] - span[:, 0]) / np.float32(255)
        seen.ranges[layer.index] = span
        seen.maps[layer.index] = levels[at:end].reshape(shape) * steps + span[:, 0]
        at, first = end, first + count
    for name in ("scores", "probabilities"):
        if name in answer:
            setattr(seen, name, _scores(answer[name][row], description))
    return seen


def _scores(numbers: np.ndarray, description: Description) -> np.ndarray:
    if not description.scores or numbers.shape != (description.scores.classes,):
        raise ValueError(f"there are scores of the shape {numbers.shape}")
    return numbers.copy()
