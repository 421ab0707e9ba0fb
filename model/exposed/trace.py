"""Records the outputs of all layers of a Keras model while it is called.

`keras.Model(inputs, layer.output)` fails on nested and subclassed models. But all layers are called
through one method: recording its calls finds every layer in the order of computation and does not
change the computation.
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

    name: str  # unique; path of names from the outermost model
    layer: keras.Operation
    inputs: list[tf.Tensor]
    output: tf.Tensor


def trace_calls(
    model: keras.Model, inputs: tf.Tensor
) -> tuple[list[Call], tf.Tensor | Sequence | dict]:
    """Calls a model for inference and records its layers.

    Args:
        model: built.
        inputs: of the model, inside a `tf.function`.

    Returns:
        All calls that returned one tensor, in the order in which they ended, and the model's
        output. A nested model is a call only if it computes something after its last layer.
    """
    calls: list[Call] = []
    with _recording(inputs, calls, tf.compat.v1.get_default_graph()):
        output = model(inputs, training=False)
    return calls, output


@contextmanager
def _recording(inputs: tf.Tensor, calls: list[Call], graph: tf.Graph) -> Iterator[None]:
    call_layer = keras.Operation.__call__
    callers: list[keras.Operation] = []
    names: set[str] = set()

    def is_outer(value: object) -> bool:
        """Returns whether a value is a tensor of `graph`, not of an inner one such as a loop's."""
        return tf.is_tensor(value) and getattr(value, "graph", None) is graph

    def call(layer: keras.Operation, *args: object, **kwargs: object) -> object:
        callers.append(layer)
        try:
            output = call_layer(layer, *args, **kwargs)
        finally:
            callers.pop()
        # An operation such as `a + b` counts in a model, but not inside a layer.
        is_part = callers and (
            isinstance(layer, keras.Layer) or isinstance(callers[-1], keras.Model)
        )
        # A layer that passes its input on, such as Dropout, returns a tensor that is known.
        known = (inputs, *(call.output for call in calls))
        if is_part and is_outer(output) and not any(output is tensor for tensor in known):
            name = "/".join(caller.name for caller in (*callers[1:], layer))
            tensors = [value for value in tf.nest.flatten([args, kwargs]) if is_outer(value)]
            calls.append(Call(_unique(name, names), layer, tensors, output))
        return output

    with mock.patch.object(keras.Operation, "__call__", call):
        yield


def _unique(name: str, names: set[str]) -> str:
    """Returns the name, numbered if it is used: a layer may be called several times."""
    number, unique = 0, name
    while unique in names:
        number += 1
        unique = f"{name}_{number}"
    names.add(unique)
    return unique
