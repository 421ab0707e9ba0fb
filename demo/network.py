"""A served model as the page uses it: pictures in, layers and scores out.

Each version of a model has its own description, which is requested once.
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

EXPLAIN_SECONDS = 10.0  # timeout; an explanation takes 16 forward and backward passes
MAX_VERSIONS = 64  # cached descriptions


@dataclass
class Inference:
    """Some layers and the scores of one picture.

    Args:
        picture: uint8 [H, W, 1 or 3].
        description: of the version that answered.
        maps: the shown maps by index of the layer: float32 [height, width, maps].
        ranges: minimum and maximum of each of these maps in full: float32 [maps, 2].
        scores: float32 [classes]; None if the model has none.
        probabilities: float32 [classes]; None if the scores are not converted to any.
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
    """The parameters of one map of a layer."""

    kernel: np.ndarray  # its shape depends on the kind of layer; empty if there is none
    bias: float
    feature: np.ndarray  # feature visualization, uint8 [H, W]; empty if the model has none


class Explanation(NamedTuple):
    """The contribution of each part of a picture to one class."""

    label: int
    contributions: np.ndarray  # float32 [H, W]
    field: np.ndarray  # the explained area: top, left, height, width as fractions of the picture


class Network(Protocol):
    """One served model. All methods raise `ServingError`."""

    client: Client

    @property
    def last(self) -> Description:
        """The most recent description; most versions of a model differ in their weights only."""

    def description(self, version: int | None = None) -> Description:
        """Describes a version; None for the newest."""

    def infer(
        self, pictures: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> list[Inference]:
        """Computes some layers of pictures, uint8 [N, H, W, 1 or 3]."""

    def activations(self, picture: np.ndarray, layer: Layer, version: int) -> np.ndarray:
        """Computes all activations of a layer: float32 of the layer's shape."""

    def parameters(self, layer: Layer, map: int, version: int) -> Parameters:
        """Returns the parameters of a map."""

    def explain(self, picture: np.ndarray, label: int | None, version: int | None) -> Explanation:
        """Explains the score of a class; None for the most likely one."""


class ExposedNetwork:
    """A model that describes itself, such as every model exported by `export.py`."""

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
        inputs = {"anything": np.zeros(1, np.int32)}  # a signature needs an input; it is ignored
        response = self.client.predict("describe", inputs, version=version)
        with self._checked():
            text = response["descriptions"].reshape(-1)[0].decode(errors="replace")
        signatures = frozenset(self.client.signatures(response.version))
        description = read_description(text, self.client.model, response.version, signatures)
        self._last = description
        return description

    def infer(
        self, pictures: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> list[Inference]:
        inputs = {"pictures": pictures, "layers": np.array(layers, np.int32)}
        response = self.client.predict("preview", inputs, version=version)
        description = self._described(response.version)
        shown = [description.find_layer(index) for index in sorted(set(layers))]
        with self._checked():
            return [
                _unpack(response, row, picture, description, shown)
                for row, picture in enumerate(pictures)
            ]

    def activations(self, picture: np.ndarray, layer: Layer, version: int) -> np.ndarray:
        inputs = {"pictures": picture[None], "layer": np.array(layer.index, np.int32)}
        response = self.client.predict("layer", inputs, version=version)
        with self._checked():
            return response["activations"].reshape(layer.shape)

    def parameters(self, layer: Layer, map: int, version: int) -> Parameters:
        inputs = {"layer": np.array(layer.index, np.int32), "map": np.array(map, np.int32)}
        response = self.client.predict("parameters", inputs, version=version)
        with self._checked():
            return Parameters(response["kernel"], float(response["bias"]), response["feature"])

    def explain(self, picture: np.ndarray, label: int | None, version: int | None) -> Explanation:
        description = self.last if version is None else self._described(version)
        inputs = {"pictures": picture[None], "classes": np.array([-1 if label is None else label])}
        response = self.client.predict(
            description.explain, inputs, version=version, timeout=EXPLAIN_SECONDS
        )
        with self._checked():
            [label], [contributions], [field] = (
                response[name] for name in ("classes", "contributions", "fields")
            )
            return Explanation(int(label), contributions, field)

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        """Raises WrongAnswer if a response cannot be read as the description says."""
        try:
            yield
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise WrongAnswer(
                f"{self.client.model} did not answer as its description says: {error!r}."
            ) from error


def _unpack(
    response: Prediction,
    row: int,
    picture: np.ndarray,
    description: Description,
    layers: list[Layer],
) -> Inference:
    """Dequantizes one picture's row of a `preview` response."""
    inference = Inference(picture, description, {}, {})
    levels, ranges = response["maps"][row], response["ranges"][row]
    start = first = 0  # offsets of the layer in levels and in ranges
    for layer in layers:
        count = len(layer.maps)
        shape = (layer.height, layer.width, count)
        end = start + math.prod(shape)
        span = ranges[first : first + count]  # [maps, 2]
        if len(levels) < end or len(span) < count:
            raise ValueError(f"the maps or ranges of {layer.name} are incomplete")
        span = np.nan_to_num(span)
        steps = (span[:, 1] - span[:, 0]) / np.float32(255)
        inference.ranges[layer.index] = span
        inference.maps[layer.index] = levels[start:end].reshape(shape) * steps + span[:, 0]
        start, first = end, first + count
    for name in ("scores", "probabilities"):
        if name in response:
            setattr(inference, name, _scores(response[name][row], description))
    return inference


def _scores(numbers: np.ndarray, description: Description) -> np.ndarray:
    if not description.scores or numbers.shape != (description.scores.classes,):
        raise ValueError(f"the scores have the shape {numbers.shape}")
    return numbers.copy()
