"""A traced Keras model: its layers and outputs as functions of its input."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from model.exposed.errors import ExposeError
from model.exposed.layers import Layer, find_layers
from model.exposed.output import OUTPUT, Scores, find_scores, name_outputs
from model.exposed.trace import Call, trace_calls

ALL_LAYERS = ("*",)
MAX_BYTES = 2**28  # activations computed per request
MAX_ITEMS = 256  # per request


class Results(NamedTuple):
    """What the network computes from N inputs."""

    layers: list[tf.Tensor]  # each [N, …], in the order of `Network.layers`
    outputs: dict[str, tf.Tensor]
    logits: tf.Tensor  # float32 [N, classes]; [N, 0] without scores


class Network:
    """Calls a model and returns the activations of all its layers.

    Args:
        model: built, with one input.
        inputs: shape, dtype and name of the input.
        patterns: name patterns of the layers to expose, as for file names.

    Attributes:
        layers: in the order of computation, the input first.
        scores: the output with the scores of classes, if there is one.
        outputs: names of the outputs.

    Raises:
        ExposeError: the model cannot be called, or its outputs cannot be served.
    """

    def __init__(
        self, model: keras.Model, inputs: tf.TensorSpec, patterns: Sequence[str] = ALL_LAYERS
    ):
        self.inputs, self.scores = inputs, None
        self.layers: list[Layer] = []
        self.outputs: list[str] = []

        def run(values: tf.Tensor) -> Results:
            calls, output = trace_calls(model, values)
            named = _named_by_layer(name_outputs(output), calls)
            self.layers = find_layers(calls, values, patterns)
            self.scores, logits = _scores_of(named, values)
            return Results([layer.output for layer in self.layers], named, logits)

        def run_output(values: tf.Tensor) -> Results:
            named = name_outputs(model(values, training=False))
            if set(named) == {OUTPUT}:
                named = dict(zip(self.outputs, named.values()))
            return Results([], named, _scores_of(named, values)[1])

        # Without AutoGraph, like Keras: it would also change the messages of errors.
        self._run, self._run_output = (
            tf.function(function, input_signature=[inputs], autograph=False)
            for function in (run, run_output)
        )
        try:
            traced = self._run.get_concrete_function()
        except (MemoryError, ExposeError, tf.errors.ResourceExhaustedError):
            raise
        except Exception as error:  # the model's code may raise anything
            message = str(error).strip().partition("\n")[0][:300]
            raise ExposeError(
                f"The model cannot be called with {inputs.shape}: {type(error).__name__}: {message}"
            ) from error
        self.outputs = list(traced.structured_outputs.outputs)

    @property
    def max_batch_size(self) -> int:
        """Maximum number of items in a request that computes the layers."""
        item = sum(4 * math.prod(layer.shape) for layer in self.layers)  # bytes
        return max(1, min(MAX_ITEMS, MAX_BYTES // item))

    def run(self, inputs: tf.Tensor) -> Results:
        """Returns all layers and outputs for [N, …]; N may be 0."""
        return _call_with_batch(self._run, inputs)

    def run_output(self, inputs: tf.Tensor) -> Results:
        """Like `run` without the layers, which is faster: TensorFlow can fuse operations."""
        return _call_with_batch(self._run_output, inputs)


def _call_with_batch(function: Callable[[tf.Tensor], Results], inputs: tf.Tensor) -> Results:
    count = tf.shape(inputs)[0]
    # oneDNN's convolution rejects an empty batch, so add a blank input. Not with `tf.pad`: Grappler
    # fuses it with a following convolution, which cannot pad the batch.
    blank = tf.zeros([tf.cast(count == 0, tf.int32), *inputs.shape[1:]], inputs.dtype)
    results = function(tf.concat([inputs, blank], axis=0))
    return tf.nest.map_structure(lambda tensor: tensor[:count], results)


def _scores_of(outputs: dict[str, tf.Tensor], inputs: tf.Tensor) -> tuple[Scores | None, tf.Tensor]:
    return find_scores(outputs) or (None, tf.zeros([tf.shape(inputs)[0], 0]))


def _named_by_layer(outputs: dict[str, tf.Tensor], calls: Sequence[Call]) -> dict[str, tf.Tensor]:
    """Renames a single unnamed output after its layer."""
    if set(outputs) != {OUTPUT}:
        return outputs
    names = {call.output.name: call.name for call in calls}
    return {names.get(tensor.name, OUTPUT): tensor for tensor in outputs.values()}
