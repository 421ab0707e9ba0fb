"""The exposed layers of a traced model, in order, with their geometry and sources."""

import dataclasses
import fnmatch
import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from model.exposed.errors import ExposeError
from model.exposed.geometry import PIXEL, ReceptiveField, Window, join
from model.exposed.kinds import (
    NOT_NEGATIVE,
    OTHER,
    PASS_THROUGH,
    Kind,
    activation_of,
    kind_of,
    windows_of,
)
from model.exposed.trace import Call

INPUT = "input"  # layer name of the model's input
_PASS_THROUGH_OPERATIONS = ("Identity", "Cast", "Reshape", "StopGradient")
Field = tuple[ReceptiveField, ReceptiveField]  # rows, columns


@dataclasses.dataclass(frozen=True)
class Source:
    """A layer whose output another layer uses."""

    layer: "Layer"
    pads: tuple[int, int] = (0, 0)  # rows of zeros above and columns of zeros left of it
    is_padded: bool = False  # on any side


@dataclasses.dataclass(frozen=True)
class Layer:
    """An exposed layer, or the input.

    Args:
        name: unique; a path of names for a layer of a nested model.
        kind: of the layer.
        operation: the Keras layer or operation; None for the input.
        output: [N, height, width, maps], [N, steps, features] or [N, units].
        sources: the exposed layers that it uses.
        is_exact: whether it uses exactly the activations of its sources.
        field: receptive field of a unit; None if it is the whole input or unknown.
        windows: on its source, including all padding.
        activation: the function that it ends with.
        is_signed: whether its activations can be negative.
    """

    name: str
    kind: Kind
    operation: keras.Operation | None
    output: tf.Tensor
    sources: list[Source] = dataclasses.field(default_factory=list)
    is_exact: bool = True
    field: Field | None = None
    windows: tuple[Window, Window] | None = None
    activation: str = "linear"
    is_signed: bool = True

    @property
    def shape(self) -> list[int]:
        """Shape of the activations for one picture."""
        return self.output.shape.as_list()[1:]


def find_layers(calls: Sequence[Call], inputs: tf.Tensor, patterns: Sequence[str]) -> list[Layer]:
    """Returns the layers to expose, in the order of computation, the input first.

    Args:
        calls: the traced calls.
        inputs: of the model.
        patterns: name patterns, as for file names; layers that match none are left out.

    Raises:
        ExposeError: no layer matches.
    """
    tracer = _Tracer(calls, inputs, patterns)
    layers = [tracer.layers[tensor] for tensor in tracer.order if tensor in tracer.layers]
    if len(layers) == 1:
        condition = (
            f"fits --layers {','.join(patterns)}" if list(patterns) != ["*"] else "has activations"
        )
        names = ", ".join(call.name for call in calls[:8])
        raise ExposeError(f"No layer {condition}. The model's layers are {names or 'none'} …")
    return layers


class _Tracer:
    """Follows tensors back to the layers that computed them."""

    def __init__(self, calls: Sequence[Call], inputs: tf.Tensor, patterns: Sequence[str]):
        self._calls = {call.output.name: call for call in calls}
        self._fields: dict[str, Field | None] = {}
        self._sources: dict[str, tuple[list[Source], bool]] = {}
        field = (PIXEL, PIXEL) if inputs.shape.rank in (3, 4) else None
        self.layers = {inputs.name: Layer(INPUT, OTHER, None, inputs, field=field)}
        self.order = [inputs.name, *self._calls]
        for call in calls:
            is_wanted = any(fnmatch.fnmatchcase(call.name, pattern) for pattern in patterns)
            if is_wanted and _has_activations(call):
                self.layers[call.output.name] = self._make(call)

    def _make(self, call: Call) -> Layer:
        kind = kind_of(call.layer, call.output.shape.rank)
        sources, is_exact = self._sources_of(call.inputs)
        # A convolution's window accounts for zeros around its source, and they do not change the
        # maximum of non-negative numbers; any other layer uses numbers that its source lacks.
        is_padded = any(source.is_padded for source in sources)
        is_sourced_signed = any(source.layer.is_signed for source in sources)
        if is_padded and kind.kernel_rank < 2:
            is_exact &= kind.name == "max pooling" and not is_sourced_signed
        # The other summand of `x + 1` is not a tensor.
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
            self._field(call.output),
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

    def _sources_of(self, tensors: Sequence[tf.Tensor]) -> tuple[list[Source], bool]:
        """Returns the layers behind some tensors, and whether the tensors are their outputs."""
        sources, is_exact = [], True
        for tensor in tensors:
            found, is_same = self._source(tensor)
            is_exact &= is_same
            sources += [source for source in found if is_same or source not in sources]
        return sources, is_exact and bool(tensors)

    def _source(self, tensor: tf.Tensor) -> tuple[list[Source], bool]:
        if tensor.name not in self._sources:
            self._sources[tensor.name] = self._find_source(tensor)
        return self._sources[tensor.name]

    def _find_source(self, tensor: tf.Tensor) -> tuple[list[Source], bool]:
        if tensor.name in self.layers:
            return [Source(self.layers[tensor.name])], True
        call = self._calls.get(tensor.name)
        if call is None:
            if tensor.op.type in _PASS_THROUGH_OPERATIONS:
                return self._source(tensor.op.inputs[0])
            return self._sources_of(tensor.op.inputs)[0], False
        found, is_exact = self._sources_of(call.inputs)
        if isinstance(call.layer, PASS_THROUGH):
            return found, is_exact
        if isinstance(call.layer, keras.layers.ZeroPadding2D) and len(found) == 1:
            (top, _), (left, _) = call.layer.padding
            above, before = found[0].pads
            pads = above + top, before + left
            return [Source(found[0].layer, pads, is_padded=True)], is_exact
        return found, False

    def _field(self, tensor: tf.Tensor) -> Field | None:
        """Returns the receptive field of a unit of any tensor."""
        if tensor.name not in self._fields:
            self._fields[tensor.name] = self._find_field(tensor)
        return self._fields[tensor.name]

    def _find_field(self, tensor: tf.Tensor) -> Field | None:
        if tensor.name in self.layers and self.layers[tensor.name].operation is None:
            return self.layers[tensor.name].field
        call = self._calls.get(tensor.name)
        if call is None:
            is_same = tensor.op.type in ("Identity", "Cast", "StopGradient")
            return self._field(tensor.op.inputs[0]) if is_same else None
        if call.output.shape.rank != 4:
            return None
        fields = [self._field(value) for value in call.inputs]
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
        is_aligned = len({tuple(value.shape[1:3]) for value in call.inputs}) == 1
        if (kind.is_pointwise and is_aligned) or _is_reshaping(call):
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
    """Returns whether a layer passes its input on with the same height and width."""
    is_same = call.output.shape[1:3].as_list() == call.inputs[0].shape[1:3].as_list()
    return isinstance(call.layer, PASS_THROUGH) and is_same


def _has_activations(call: Call) -> bool:
    """Returns whether a layer computes numbers that can be shown."""
    if isinstance(call.layer, (*PASS_THROUGH, keras.layers.ZeroPadding2D)):
        return False
    shape = call.output.shape
    is_numbers = call.output.dtype.is_floating or call.output.dtype.is_integer
    is_known = shape.rank in (2, 3, 4) and None not in shape.as_list()[1:]
    return is_numbers and is_known and math.prod(shape.as_list()[1:]) > 0
