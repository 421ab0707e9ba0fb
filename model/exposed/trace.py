"""What every layer of a Keras model answers, recorded while the model is called.

`keras.Model(inputs, layer.output)` fails on models nested in models and on subclassed ones. But
all layers of all models are called through one method, so listening there finds each of them, in
the order of computation, and leaves the computation as it is.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Call:
    """One call of one layer."""

    name: str  # path of names from the outermost model, unique among the calls
    layer: keras.Operation
    inputs: list[tf.Tensor]
    output: tf.Tensor


def trace_calls(
    model: keras.Model, inputs: tf.Tensor
) -> tuple[list[Call], tf.Tensor | Sequence | dict]:
    """Calls a model, as for inference, and tells what its layers answered on the way.

    Args:
        model: built.
        inputs: what the model takes; inside of a `tf.function`.

    Returns:
        All calls that answered one tensor, in the order in which they ended, and the model's own
        output. A model in the model is a call only if it computes something behind its last layer.
    """
    calls: list[Call] = []
    with _listening(inputs, calls, tf.compat.v1.get_default_graph()):
        output = model(inputs, training=False)
    return calls, output


@contextmanager
def _listening(inputs: tf.Tensor, calls: list[Call], graph: tf.Graph) -> Iterator[None]:
    call_layer = keras.Operation.__call__
    callers: list[keras.Operation] = []
    names: set[str] = set()

    def is_outer(value: object) -> bool:
        """Tensors of a loop's body, say, cannot be answered from outside of it."""
        return tf.is_tensor(value) and getattr(value, "graph", None) is graph

    def call(layer: keras.Operation, *args: object, **kwargs: object) -> object:
        callers.append(layer)
        try:
            output = call_layer(layer, *args, **kwargs)
        finally:
            callers.pop()
        # An operation is a part of a model, as `a + b`, or else of the work inside of a layer.
        is_part = callers and (
            isinstance(layer, keras.Layer) or isinstance(callers[-1], keras.Model)
        )
        # What a layer only hands on, as a Dropout does, is there already.
        there = (inputs, *(call.output for call in calls))
        if is_part and is_outer(output) and not any(output is one for one in there):
            name = "/".join(one.name for one in (*callers[1:], layer))
            taken = [value for value in tf.nest.flatten([args, kwargs]) if is_outer(value)]
            calls.append(Call(_unique(name, names), layer, taken, output))
        return output

    with mock.patch.object(keras.Operation, "__call__", call):
        yield


def _unique(name: str, names: set[str]) -> str:
    """The name, numbered if it is taken: a layer that is called twice answers twice."""
    number, found = 0, name
    while found in names:
        number += 1
        found = f"{name}_{number}"
    names.add(found)
    return found
