"""What a page knows of a model: its input, its layers, its scores, and what it can do.

Models that were exported here describe themselves (`docs/description.md`).
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from demo.errors import RequestError
from serving.client import WrongAnswer

SCHEMA = "layer-xray/2"
KINDS = ("drawing", "picture")  # of input
# What reading a field raises that is not as it should be.
WRONG = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
MAX_NUMBER = 2**31 - 1  # of any number that is told
GAP = 1  # pixels between two maps of a mosaic
WIDEST = 16  # maps in a row, unless the model says otherwise
WITH_PARAMETERS = ("convolution", "depthwise", "dense", "batch normalisation")
POOLINGS = ("max pooling", "average pooling")
WIDE = 160  # pixels of a mosaic that has a row of galleries for itself, unless the model says so


class Window(NamedTuple):
    """How a unit looks at the layer before; each along rows and columns."""

    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pad: tuple[int, int]  # zeros before the first
    groups: int


class ReceptiveField(NamedTuple):
    """The pixels that a unit sees along one axis: from `stride * unit - before`, `size` of them."""

    size: int
    stride: int
    before: int


class Layer(NamedTuple):
    """A layer whose activations are shown, or the input.

    Its maps are shown as a mosaic, `columns` of them in a row, each `height` x `width` pixels of
    `blocks` units. A layer of units without places is one map, row by row.
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
    maps: tuple[int, ...]  # that are shown
    height: int
    width: int
    blocks: tuple[int, int]
    columns: int
    is_wide: bool  # whether its mosaic takes all the width there is
    lessons: tuple[tuple[str, str], ...]

    @property
    def units(self) -> int | None:
        """Of a layer whose units have no places."""
        return self.shape[0] if len(self.shape) == 1 else None

    @property
    def shown_units(self) -> int | None:
        """How many of these are shown."""
        return min(self.shape[0], self.height * self.width) if self.units else None

    def unit_at(self, place: int) -> int:
        """The unit that is shown at a place, both in the order of memory."""
        return place * self.shape[0] // self.shown_units

    def place_of(self, unit: int) -> int:
        """Where a unit is shown, or if it is not, the next one that is."""
        return min(-(-unit * self.shown_units // self.shape[0]), self.shown_units - 1)

    @property
    def has_parameters(self) -> bool:
        """Whether a model that tells parameters tells some of its maps."""
        return self.kind in WITH_PARAMETERS

    @property
    def count(self) -> int:
        """Of all its maps, shown or not."""
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
        """Rows and columns of a map in full."""
        return (self.height, self.width) if self.units else self.shape[:2]


class Scores(NamedTuple):
    """What the model makes of its input: a number for each class."""

    layer: int | None  # the layer that they are, where it is known
    classes: int
    labels: tuple[str, ...]
    output_activation: str
    confidence_threshold: (
        float | None
    )  # what the likeliest class must have to be believed; None if nobody knows

    def label(self, index: int) -> str:
        return self.labels[index] if self.labels else str(index)


class Input(NamedTuple):
    """What the model takes."""

    kind: str  # `drawing` or `picture`
    height: int
    width: int
    channels: int  # of a picture that is sent


class Description(NamedTuple):
    """Of one version of a model."""

    model: str
    version: int
    title: str
    input: Input
    layers: tuple[Layer, ...]
    scores: Scores | None
    signatures: frozenset[str]
    explain: str  # the signature that explains, if it is served
    max_batch_size: int
    min_scale: float  # activation that the brightest colour stands for at least
    samples: tuple[dict, ...]
    lessons: dict[str, list]  # of the model's own, in place of the page's
    identity: str  # the same for versions that differ in their training alone

    def find_layer(self, index: object) -> Layer:
        """The layer of that number.

        Raises:
            RequestError: there is none.
        """
        if type(index) is int and 0 <= index < len(self.layers):
            return self.layers[index]
        raise RequestError(f"{self.model} has no layer {index}")

    def made(self, layer: Layer) -> Layer:
        """The layer whose maps these are: of a pooling, the one that it pools."""
        while layer.kind in POOLINGS and layer.sources:
            layer = self.layers[layer.sources[0]]
        return layer


def read_description(
    told: str, model: str, version: int, signatures: frozenset[str]
) -> Description:
    """What a model's `describe` has answered.

    Raises:
        WrongAnswer: it is no description.
    """
    try:
        fields = json.loads(told)
        if fields["schema"] != SCHEMA:
            raise ValueError(f"its schema is {fields['schema']}, and not {SCHEMA}")
        return make_description(fields, model, version, signatures)
    except WRONG as error:
        raise WrongAnswer(
            f"{model} does not describe itself as a page understands it: {error!r}. Export it "
            "again with this version of the project."
        ) from error


def make_description(
    fields: Mapping[str, Any], model: str, version: int, signatures: frozenset[str]
) -> Description:
    """The same of its JSON; raises what a wrong field raises."""
    taken = fields["input"]
    if taken["kind"] not in KINDS:
        raise ValueError(f"its input is {taken['kind']}, and not {' or '.join(KINDS)}")
    layers = tuple(_layer(index, one) for index, one in enumerate(fields["layers"]))
    if not layers:
        raise ValueError("it has no layers, not even the input")
    return Description(
        model=model,
        version=version,
        title=str(fields.get("title", model)),
        input=Input(
            taken["kind"],
            _number(taken["height"], 1),
            _number(taken["width"], 1),
            1 if taken["kind"] == "drawing" else 3,
        ),
        layers=layers,
        scores=_scores(fields.get("scores"), fields.get("confidence_threshold"), layers),
        signatures=signatures,
        explain=str(fields.get("explain", "explain")),
        max_batch_size=_number(fields["max_batch_size"], 1),
        min_scale=float(fields.get("min_scale", 0)),
        samples=tuple(fields.get("samples", ())),
        lessons=dict(fields.get("lessons", {})),
        identity=_identity(model, fields),
    )


def _identity(model: str, fields: Mapping[str, Any]) -> str:
    told = {name: value for name, value in fields.items() if name != "trained"}
    return hashlib.sha256(json.dumps([model, told]).encode()).hexdigest()[:16]


def _layer(index: int, told: Mapping[str, Any]) -> Layer:
    window, field, thumbnail = told.get("window"), told.get("receptive_field"), told["thumbnail"]
    layer = Layer(
        index=index,
        name=str(told["name"]),
        kind=str(told["kind"]),
        title=str(told.get("title") or _title(told)),
        about=str(told.get("about", "")),
        shape=tuple(_number(side, 1) for side in told["shape"]),
        sources=tuple(_number(source) for source in told["from"] if source < index),
        is_exact=bool(told["is_exact"]),
        window=window and _window(window),
        activation=str(told["activation"]),
        is_signed=bool(told["is_signed"]),
        receptive_field=field and (_field(field[0]), _field(field[1])),
        maps=tuple(_number(map) for map in thumbnail["maps"]),
        height=_number(thumbnail["height"], 1),
        width=_number(thumbnail["width"], 1),
        blocks=_pair(thumbnail["blocks"], 1),
        columns=min(len(thumbnail["maps"]), _number(told.get("columns", WIDEST), 1)),
        is_wide=False,
        lessons=tuple((str(question), str(answer)) for question, answer in told.get("lessons", ())),
    )
    _check(layer)
    is_wide = layer.columns * layer.width >= WIDE
    return layer._replace(
        about=layer.about or _about(layer.shape, layer.maps),
        is_wide=bool(told.get("is_wide", is_wide)),
    )


def _check(layer: Layer) -> None:
    """Raises ValueError if the form that a layer is shown in is not one of its shape."""
    shown = layer.height, layer.width
    if len(layer.shape) in (2, 3):
        blocks = zip(layer.shape, layer.blocks)
        is_right = shown == tuple(math.ceil(side / block) for side, block in blocks)
    else:
        is_right = len(layer.shape) == 1 and layer.units > (layer.height - 1) * layer.width
    is_ordered = sorted({*layer.maps}) == [*layer.maps]
    if not (is_right and is_ordered and layer.maps and layer.maps[-1] < layer.count):
        raise ValueError(
            f"{layer.name} has the shape {list(layer.shape)}, which is not shown as maps "
            f"{list(layer.maps)} of {shown}"
        )


def _window(told: Mapping[str, Any]) -> Window:
    return Window(
        size=_pair(told["size"], 1),
        stride=_pair(told["stride"], 1),
        dilation=_pair(told["dilation"], 1),
        pad=_pair(told["pad"], -MAX_NUMBER),
        groups=_number(told["groups"], 1),
    )


def _field(told: Mapping[str, Any]) -> ReceptiveField:
    size, stride = _number(told["size"], 1), _number(told["stride"])
    return ReceptiveField(size, stride, _number(told["before"], -MAX_NUMBER))


def _pair(told: Sequence[Any], least: int = 0) -> tuple[int, int]:
    """Of rows and columns."""
    rows, columns = told
    return _number(rows, least), _number(columns, least)


def _number(told: Any, least: int = 0) -> int:
    number = int(told)
    if not least <= number <= MAX_NUMBER:
        raise ValueError(f"{number} where {least} to {MAX_NUMBER} is expected")
    return number


def _title(told: Mapping[str, Any]) -> str:
    kind = told["kind"]
    return (str(told.get("class")) if kind == "other" else kind.capitalize()) or "Layer"


def _about(shape: tuple[int, ...], maps: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return f"{shape[0]:,} units"
    size = f"{shape[0]}×{shape[1]}"
    if len(shape) == 2 or shape[2] == 1:
        return size
    shown = f", {len(maps)} of them shown" if len(maps) < shape[2] else ""
    return f"{shape[2]:,} maps of {size}{shown}"


def _scores(
    told: Mapping[str, Any] | None, sure: float | None, layers: tuple[Layer, ...]
) -> Scores | None:
    if not told:
        return None
    named = [layer.index for layer in layers if layer.name == told["name"] and layer.units]
    labels = tuple(map(str, told["labels"]))
    classes = _number(told["classes"], 1)
    if labels and len(labels) != classes:
        raise ValueError(f"{len(labels)} labels for {classes} classes")
    sure = None if sure is None else float(sure)
    return Scores(
        named[0] if named else None, classes, labels, str(told["output_activation"]), sure
    )
