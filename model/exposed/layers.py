"""The exposed layers of a traced model: in order, with geometry, and with what feeds each."""

import fnmatch
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import keras
import tensorflow as tf

from model.exposed.errors import ExposeError
from model.exposed.geometry import PIXEL, Field, Window, join
from model.exposed.kinds import (
    NOT_NEGATIVE,
    OTHER,
    PASSING,
    Kind,
    activation_of,
    kind_of,
    windows_of,
)
from model.exposed.trace import Call

INPUT = "input"  # the name of what the model takes, as if it were a layer's
_PASSING_OPERATIONS = ("Identity", "Cast", "Reshape", "StopGradient")
Fields = tuple[Field, Field]  # rows, columns


@dataclass(frozen=True)
class Source:
    """A layer that feeds another one."""

    layer: "Layer"
    pads: tuple[int, int] = (0, 0)  # rows above it and columns left of it that are zero
    is_padded: bool = False  # whether there are such, or some below or to the right


@dataclass(frozen=True)
class Layer:
    """A layer whose activations are answered, or the input.

    Args:
        name: unique; a path of names for a layer in a model in a model.
        kind: what is known of it.
        operation: of Keras; None for the input.
        output: float32 [N, height, width, maps], [N, steps, features] or [N, units].
        sources: what it takes, as far as these are exposed.
        is_exact: whether it takes exactly the activations of its sources.
        fields: what a unit sees of the input; None where it sees all of it or nobody knows.
        windows: how it looks at its source, with all padding.
        activation: what it ends with.
        is_signed: whether it can be negative.
    """

    name: str
    kind: Kind
    operation: keras.Operation | None
    output: tf.Tensor
    sources: list[Source] = field(default_factory=list)
    is_exact: bool = True
    fields: Fields | None = None
    windows: tuple[Window, Window] | None = None
    activation: str = "linear"
    is_signed: bool = True

    @property
    def shape(self) -> list[int]:
        """Of one item."""
        return self.output.shape.as_list()[1:]


def find_layers(calls: Sequence[Call], inputs: tf.Tensor, patterns: Sequence[str]) -> list[Layer]:
    """The layers to expose, in the order of computation, the input first.

    Args:
        calls: what was traced.
        inputs: what the model was called with.
        patterns: of names, as of file names; a layer that fits none of them is left out.

    Raises:
        ExposeError: no layer fits.
    """
    tracer = _Tracer(calls, inputs, patterns)
    found = [tracer.layers[tensor] for tensor in tracer.order if tensor in tracer.layers]
    if len(found) == 1:
        which = (
            f"fits --layers {','.join(patterns)}" if list(patterns) != ["*"] else "has activations"
        )
        names = ", ".join(call.name for call in calls[:8])
        raise ExposeError(f"No layer {which}. The model's layers are {names or 'none'} …")
    return found


class _Tracer:
    """Follows tensors back to the layers that they come from."""

    def __init__(self, calls: Sequence[Call], inputs: tf.Tensor, patterns: Sequence[str]):
        self._calls = {call.output.name: call for call in calls}
        self._fields: dict[str, Fields | None] = {}
        self._found: dict[str, tuple[list[Source], bool]] = {}
        rank = inputs.shape.rank
        fields = (PIXEL, PIXEL) if rank in (3, 4) else None
        self.layers = {inputs.name: Layer(INPUT, OTHER, None, inputs, fields=fields)}
        self.order = [inputs.name, *self._calls]
        for call in calls:
            is_wanted = any(fnmatch.fnmatchcase(call.name, pattern) for pattern in patterns)
            if is_wanted and _has_activations(call):
                self.layers[call.output.name] = self._make(call)

    def _make(self, call: Call) -> Layer:
        kind = kind_of(call.layer, call.output.shape.rank)
        sources, is_exact = self._sources(call.inputs)
        # Zeros around a source are in what a convolution's window says; to the largest of what is
        # never negative they add nothing; anything else takes other numbers than its source's.
        is_padded = any(source.is_padded for source in sources)
        is_sourced_signed = any(source.layer.is_signed for source in sources)
        if is_padded and kind.kernel_rank < 2:
            is_exact &= kind.name == "max pooling" and not is_sourced_signed
        # The other summand of `x + 1` is no tensor.
        if not isinstance(call.layer, keras.Layer) and len(call.inputs) < 2:
            is_exact = False
        activation = activation_of(call.layer)
        is_signed = activation not in NOT_NEGATIVE
        if activation == "linear" and kind.name in _KEEP_SIGN and (is_exact or is_padded):
            is_signed = is_sourced_signed
        windows = None
        if kind.is_windowed and len(sources) == 1 and len(sources[0].layer.shape) >= 2:
            windows = self._windows(call, sources[0])
        return Layer(
            call.name,
            kind,
            call.layer,
            call.output,
            sources,
            is_exact,
            self.fields(call.output),
            windows,
            activation,
            is_signed,
        )

    def _windows(self, call: Call, source: Source) -> tuple[Window, Window]:
        size = call.inputs[0].shape.as_list()[1:3]
        windows = windows_of(call.layer, size)
        padded = zip(windows, source.pads, strict=True)
        rows, columns = (window._replace(pad=window.pad + pad) for window, pad in padded)
        return rows, columns

    def _sources(self, tensors: Sequence[tf.Tensor]) -> tuple[list[Source], bool]:
        """The exposed layers that some tensors come from, and whether they are just these."""
        sources, is_exact = [], True
        for tensor in tensors:
            found, is_same = self._source(tensor)
            is_exact &= is_same
            sources += [one for one in found if is_same or one not in sources]
        return sources, is_exact and bool(tensors)

    def _source(self, tensor: tf.Tensor) -> tuple[list[Source], bool]:
        if tensor.name not in self._found:
            self._found[tensor.name] = self._find_source(tensor)
        return self._found[tensor.name]

    def _find_source(self, tensor: tf.Tensor) -> tuple[list[Source], bool]:
        if tensor.name in self.layers:
            return [Source(self.layers[tensor.name])], True
        call = self._calls.get(tensor.name)
        if call is None:
            if tensor.op.type in _PASSING_OPERATIONS:
                return self._source(tensor.op.inputs[0])
            return self._sources(tensor.op.inputs)[0], False
        found, is_exact = self._sources(call.inputs)
        if isinstance(call.layer, PASSING):
            return found, is_exact
        if isinstance(call.layer, keras.layers.ZeroPadding2D) and len(found) == 1:
            (top, _), (left, _) = call.layer.padding
            above, before = found[0].pads
            pads = above + top, before + left
            return [Source(found[0].layer, pads, is_padded=True)], is_exact
        return found, False

    def fields(self, tensor: tf.Tensor) -> Fields | None:
        """What a unit of any tensor sees."""
        if tensor.name not in self._fields:
            self._fields[tensor.name] = self._find_fields(tensor)
        return self._fields[tensor.name]

    def _find_fields(self, tensor: tf.Tensor) -> Fields | None:
        if tensor.name in self.layers and self.layers[tensor.name].operation is None:
            return self.layers[tensor.name].fields
        call = self._calls.get(tensor.name)
        if call is None:
            is_passing = tensor.op.type in ("Identity", "Cast", "StopGradient")
            return self.fields(tensor.op.inputs[0]) if is_passing else None
        if call.output.shape.rank != 4:
            return None
        fields = [self.fields(one) for one in call.inputs]
        if not fields or None in fields:
            return None
        kind = kind_of(call.layer, call.output.shape.rank)
        if kind.is_windowed and len(fields) == 1:
            windows = windows_of(call.layer, call.inputs[0].shape.as_list()[1:3])
            rows, columns = (f.through(w) for f, w in zip(fields[0], windows, strict=True))
            return rows, columns
        if isinstance(call.layer, keras.layers.ZeroPadding2D):
            starts = (start for start, _ in call.layer.padding)
            padded = (f.through(Window(1, 1, s)) for f, s in zip(fields[0], starts, strict=True))
            rows, columns = padded
            return rows, columns
        is_alike = len({tuple(one.shape[1:3]) for one in call.inputs}) == 1
        if (kind.is_pointwise and is_alike) or _is_reshaping(call):
            rows, columns = (join(axis) for axis in zip(*fields, strict=True))
            return (rows, columns) if rows and columns else None
        return None


_KEEP_SIGN = (
    "max pooling",
    "average pooling",
    "global average pooling",
    "global max pooling",
    "addition",
    "concatenation",
    "multiplication",
)


def _is_reshaping(call: Call) -> bool:
    """Whether a layer only passes on, in a shape with the same places."""
    is_same = call.output.shape[1:3].as_list() == call.inputs[0].shape[1:3].as_list()
    return isinstance(call.layer, PASSING) and is_same


def _has_activations(call: Call) -> bool:
    """Whether a layer computes numbers that can be shown."""
    if isinstance(call.layer, (*PASSING, keras.layers.ZeroPadding2D)):
        return False
    shape = call.output.shape
    is_numbers = call.output.dtype.is_floating or call.output.dtype.is_integer
    is_known = shape.rank in (2, 3, 4) and None not in shape.as_list()[1:]
    return is_numbers and is_known and math.prod(shape.as_list()[1:]) > 0
