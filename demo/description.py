"""Description of a model: its input, layers, scores and signatures.

Models exported by `export.py` describe themselves in JSON (`docs/description.md`).
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from demo.errors import RequestError
from demo.training_record import TrainingRecord, read_training
from serving.client import WrongAnswer

SCHEMA = "layer-xray/2"
KINDS = ("drawing", "picture")  # of input
# Raised when a field is missing or malformed.
FIELD_ERRORS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
MAX_NUMBER = 2**31 - 1  # any number in a description
GAP = 1  # pixels between two maps of a mosaic
MAX_COLUMNS = 16  # maps in a row of a mosaic, unless the description sets `columns`
WITH_PARAMETERS = ("convolution", "depthwise", "dense", "batch normalisation")
POOLINGS = ("max pooling", "average pooling")
WIDE = 160  # pixels; a wider mosaic takes the whole row, unless the description sets `is_wide`


class Window(NamedTuple):
    """The window that a unit computes from; each pair is for rows and columns."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]  # zeros before the first row and column
    groups: int


class ReceptiveField(NamedTuple):
    """Pixels that a unit depends on along one axis: `size`, from `stride * unit - before` on."""

    size: int
    stride: int
    before: int


class Layer(NamedTuple):
    """The input, or a layer whose activations are shown.

    Its maps are shown as a mosaic with `columns` maps in a row. A map has `height` x `width`
    pixels; each pixel averages a block of `blocks` units. A layer of shape [units] is shown as one
    map, filled row by row.
    """

    index: int
    name: str
    kind: str
    title: str
    about: str
    shape: tuple[int, ...]  # [height, width, maps], [height, width] or [units]
    sources: tuple[int, ...]
    is_exact: bool
    window: Window | None
    activation: str
    is_signed: bool
    receptive_field: tuple[ReceptiveField, ReceptiveField] | None
    maps: tuple[int, ...]  # indices of the shown maps
    height: int
    width: int
    blocks: tuple[int, int]
    columns: int
    is_wide: bool  # whether the mosaic takes the whole row
    lessons: tuple[tuple[str, str], ...]

    @property
    def units(self) -> int | None:
        """Number of units, for a layer of shape [units]; else None."""
        return self.shape[0] if len(self.shape) == 1 else None

    @property
    def shown_units(self) -> int | None:
        """Number of shown units, for a layer of shape [units]; else None."""
        return min(self.shape[0], self.height * self.width) if self.units else None

    def unit_at(self, position: int) -> int:
        """Returns the unit that is shown at a position of the map, counted row by row."""
        return position * self.shape[0] // self.shown_units

    def position_of(self, unit: int) -> int:
        """Returns the position of a unit or, if it is not shown, of the next shown one."""
        return min(-(-unit * self.shown_units // self.shape[0]), self.shown_units - 1)

    @property
    def has_parameters(self) -> bool:
        """Whether the signature `parameters`, if served, has parameters for its maps."""
        return self.kind in WITH_PARAMETERS

    @property
    def count(self) -> int:
        """Number of maps, shown or not."""
        return self.shape[2] if len(self.shape) == 3 else 1

    @property
    def rows(self) -> int:
        return math.ceil(len(self.maps) / self.columns)

    @property
    def mosaic_width(self) -> int:
        return self.columns * (self.width + GAP) - GAP

    @property
    def mosaic_height(self) -> int:
        return self.rows * (self.height + GAP) - GAP

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a map in full resolution."""
        return (self.height, self.width) if self.units else self.shape[:2]


class Scores(NamedTuple):
    """The model's scores: one number per class."""

    layer: int | None  # index of the layer with these activations, if it is shown
    classes: int
    labels: tuple[str, ...]
    output_activation: str
    confidence_threshold: float | None  # probability of the best class below which it is uncertain

    def label(self, index: int) -> str:
        return self.labels[index] if self.labels else str(index)


class Input(NamedTuple):
    """The model's input."""

    kind: str  # `drawing` or `picture`
    height: int
    width: int
    channels: int  # of a picture in a request


class Description(NamedTuple):
    """One version of a model."""

    model: str
    version: int
    title: str
    input: Input
    layers: tuple[Layer, ...]
    scores: Scores | None
    signatures: frozenset[str]
    explain: str  # name of the signature for explanations; it may not be served
    max_batch_size: int
    min_scale: float  # smallest activation that is drawn in the brightest colour
    samples: tuple[dict, ...]
    lessons: dict[str, list]  # replace the lessons of the page
    trained: TrainingRecord
    identity: str  # equal for versions that differ in their training only

    def find_layer(self, index: object) -> Layer:
        """Returns the layer with an index.

        Raises:
            RequestError: there is no such layer.
        """
        if type(index) is int and 0 <= index < len(self.layers):
            return self.layers[index]
        raise RequestError(f"{self.model} has no layer {index}")

    def producer(self, layer: Layer) -> Layer:
        """Returns the layer that computes these maps: for a pooling layer, the layer it pools."""
        while layer.kind in POOLINGS and layer.sources:
            layer = self.layers[layer.sources[0]]
        return layer


def read_description(
    text: str, model: str, version: int, signatures: frozenset[str]
) -> Description:
    """Parses the JSON that a model's signature `describe` returns.

    Raises:
        WrongAnswer: it is not a valid description.
    """
    try:
        fields = json.loads(text)
        if fields["schema"] != SCHEMA:
            raise ValueError(f"its schema is {fields['schema']}, and not {SCHEMA}")
        return make_description(fields, model, version, signatures)
    except FIELD_ERRORS as error:
        raise WrongAnswer(
            f"The description of {model} cannot be read: {error!r}. Export the model again with "
            "this version of the project."
        ) from error


def make_description(
    fields: Mapping[str, Any], model: str, version: int, signatures: frozenset[str]
) -> Description:
    """Makes a description from its JSON object.

    Raises:
        One of `FIELD_ERRORS`: a field is missing or malformed.
    """
    input_fields = fields["input"]
    if input_fields["kind"] not in KINDS:
        raise ValueError(f"its input is {input_fields['kind']}, and not {' or '.join(KINDS)}")
    layers = tuple(_layer(index, layer) for index, layer in enumerate(fields["layers"]))
    if not layers:
        raise ValueError("it has no layers, not even the input")
    return Description(
        model=model,
        version=version,
        title=str(fields.get("title", model)),
        input=Input(
            input_fields["kind"],
            _number(input_fields["height"], 1),
            _number(input_fields["width"], 1),
            1 if input_fields["kind"] == "drawing" else 3,
        ),
        layers=layers,
        scores=_scores(fields.get("scores"), fields.get("confidence_threshold"), layers),
        signatures=signatures,
        explain=str(fields.get("explain", "explain")),
        max_batch_size=_number(fields["max_batch_size"], 1),
        min_scale=float(fields.get("min_scale", 0)),
        samples=tuple(fields.get("samples", ())),
        lessons=dict(fields.get("lessons", {})),
        trained=read_training(fields.get("trained")),
        identity=_identity(model, fields),
    )


def _identity(model: str, fields: Mapping[str, Any]) -> str:
    identifying = {name: value for name, value in fields.items() if name != "trained"}
    return hashlib.sha256(json.dumps([model, identifying]).encode()).hexdigest()[:16]


def _layer(index: int, fields: Mapping[str, Any]) -> Layer:
    window, thumbnail = fields.get("window"), fields["thumbnail"]
    receptive_field = fields.get("receptive_field")
    layer = Layer(
        index=index,
        name=str(fields["name"]),
        kind=str(fields["kind"]),
        title=str(fields.get("title") or _title(fields)),
        about=str(fields.get("about", "")),
        shape=tuple(_number(side, 1) for side in fields["shape"]),
        sources=tuple(_number(source) for source in fields["from"] if source < index),
        is_exact=bool(fields["is_exact"]),
        window=window and _window(window),
        activation=str(fields["activation"]),
        is_signed=bool(fields["is_signed"]),
        receptive_field=receptive_field
        and (_receptive_field(receptive_field[0]), _receptive_field(receptive_field[1])),
        maps=tuple(_number(map) for map in thumbnail["maps"]),
        height=_number(thumbnail["height"], 1),
        width=_number(thumbnail["width"], 1),
        blocks=_pair(thumbnail["blocks"], 1),
        columns=min(len(thumbnail["maps"]), _number(fields.get("columns", MAX_COLUMNS), 1)),
        is_wide=False,
        lessons=tuple(
            (str(question), str(answer)) for question, answer in fields.get("lessons", ())
        ),
    )
    _check(layer)
    is_wide = layer.columns * layer.width >= WIDE
    return layer._replace(is_wide=bool(fields.get("is_wide", is_wide)))


def _check(layer: Layer) -> None:
    """Raises ValueError if the maps to show do not match the layer's shape."""
    shown = layer.height, layer.width
    if len(layer.shape) in (2, 3):
        blocks = zip(layer.shape, layer.blocks)
        matches = shown == tuple(math.ceil(side / block) for side, block in blocks)
    else:
        matches = len(layer.shape) == 1 and layer.units > (layer.height - 1) * layer.width
    is_ordered = sorted({*layer.maps}) == [*layer.maps]
    if not (matches and is_ordered and layer.maps and layer.maps[-1] < layer.count):
        raise ValueError(
            f"{layer.name} has the shape {list(layer.shape)}, which is not shown as maps "
            f"{list(layer.maps)} of {shown}"
        )


def _window(fields: Mapping[str, Any]) -> Window:
    return Window(
        size=_pair(fields["size"], 1),
        stride=_pair(fields["stride"], 1),
        dilation=_pair(fields["dilation"], 1),
        pad=_pair(fields["pad"], -MAX_NUMBER),
        groups=_number(fields["groups"], 1),
    )


def _receptive_field(fields: Mapping[str, Any]) -> ReceptiveField:
    size, stride = _number(fields["size"], 1), _number(fields["stride"])
    return ReceptiveField(size, stride, _number(fields["before"], -MAX_NUMBER))


def _pair(pair: Sequence[Any], minimum: int = 0) -> tuple[int, int]:
    """Reads a pair for rows and columns."""
    rows, columns = pair
    return _number(rows, minimum), _number(columns, minimum)


def _number(value: Any, minimum: int = 0) -> int:
    number = int(value)
    if not minimum <= number <= MAX_NUMBER:
        raise ValueError(f"{number} where {minimum} to {MAX_NUMBER} is expected")
    return number


def _title(fields: Mapping[str, Any]) -> str:
    kind = fields["kind"]
    return (str(fields.get("class")) if kind == "other" else kind.capitalize()) or "Layer"


def _scores(
    fields: Mapping[str, Any] | None, threshold: float | None, layers: tuple[Layer, ...]
) -> Scores | None:
    if not fields:
        return None
    indices = [layer.index for layer in layers if layer.name == fields["name"] and layer.units]
    labels = tuple(map(str, fields["labels"]))
    classes = _number(fields["classes"], 1)
    if labels and len(labels) != classes:
        raise ValueError(f"{len(labels)} labels for {classes} classes")
    return Scores(
        layer=indices[0] if indices else None,
        classes=classes,
        labels=labels,
        output_activation=str(fields["output_activation"]),
        confidence_threshold=None if threshold is None else float(threshold),
    )
