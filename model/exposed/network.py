"""A Keras model, traced: its layers and its output as functions of its input."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from model.exposed.errors import ExposeError
from model.exposed.layers import Layer, find_layers
from model.exposed.output import OUTPUT, Scores, find_scores, name_outputs
from model.exposed.trace import trace_calls

ALL_LAYERS = ("*",)
# Bytes of activations that a request may ask for, or have computed, and items at most.
MAX_BYTES = 2**28
MAX_ITEMS = 256


class Answers(NamedTuple):
    """What the network makes of some inputs."""

    layers: list[tf.Tensor]  # each [N, …], in the order of `Network.layers`
    outputs: dict[str, tf.Tensor]
    logits: tf.Tensor  # float32 [N, classes]; of no classes where nothing is scored


class Network:
    """Calls a model and answers with all its layers.

    Args:
        model: built; of one input.
        inputs: its input's shape, dtype and name.
        patterns: of the names of the layers to expose (as of file names).

    Attributes:
        layers: what is known of each, the input first, in the order of computation.
        scores: which output tells how likely classes are, if one does.
        outputs: the names of all.

    Raises:
        ExposeError: it cannot be called, or answers what cannot be served.
    """

    def __init__(
        self, model: keras.Model, inputs: tf.TensorSpec, patterns: Sequence[str] = ALL_LAYERS
    ):
        self.inputs, self.scores = inputs, None
        self.layers: list[Layer] = []
        self.outputs: list[str] = []

        def answer(values: tf.Tensor) -> Answers:
            calls, output = trace_calls(model, values)
            named = _named_by_layer(name_outputs(output), calls)
            self.layers = find_layers(calls, values, patterns)
            self.scores, logits = _scores_of(named, values)
            return Answers([layer.output for layer in self.layers], named, logits)

        def answer_output(values: tf.Tensor) -> Answers:
            named = name_outputs(model(values, training=False))
            if set(named) == {OUTPUT}:
                named = dict(zip(self.outputs, named.values()))
            return Answers([], named, _scores_of(named, values)[1])

        # As Keras does it: without AutoGraph, which would also rewrite what errors say.
        self._answer, self._answer_output = (
            tf.function(function, input_signature=[inputs], autograph=False)
            for function in (answer, answer_output)
        )
        try:
            traced = self._answer.get_concrete_function()
        except (MemoryError, ExposeError, tf.errors.ResourceExhaustedError):
            raise
        except Exception as error:  # of the model's own code, whatever it raises
            said = str(error).strip().partition("\n")[0][:300]
            raise ExposeError(
                f"The model cannot be called with {inputs.shape}: {type(error).__name__}: {said}"
            ) from error
        self.outputs = list(traced.structured_outputs.outputs)

    @property
    def max_batch_size(self) -> int:
        """In a request whose layers are computed, so that it costs what a server can bear."""
        each = sum(4 * math.prod(layer.shape) for layer in self.layers)
        return max(1, min(MAX_ITEMS, MAX_BYTES // each))

    def run(self, inputs: tf.Tensor) -> Answers:
        """All layers and outputs for [N, …]; N may be 0."""
        return self._run(self._answer, inputs)

    def run_output(self, inputs: tf.Tensor) -> Answers:
        """The same without the layers, which is quicker: operations can be fused."""
        return self._run(self._answer_output, inputs)

    def _run(self, function: tf.types.experimental.PolymorphicFunction, inputs: tf.Tensor):
        count = tf.shape(inputs)[0]
        # oneDNN's convolution refuses an empty batch, so that gets a blank input. Not by `tf.pad`,
        # which is made one operation with a convolution behind it, where it pads no batch.
        blank = tf.zeros([tf.cast(count == 0, tf.int32), *inputs.shape[1:]], inputs.dtype)
        answers = function(tf.concat([inputs, blank], axis=0))
        return tf.nest.map_structure(lambda tensor: tensor[:count], answers)


def _scores_of(outputs: dict[str, tf.Tensor], inputs: tf.Tensor) -> tuple[Scores | None, tf.Tensor]:
    return find_scores(outputs) or (None, tf.zeros([tf.shape(inputs)[0], 0]))


def _named_by_layer(outputs: dict[str, tf.Tensor], calls: Sequence) -> dict[str, tf.Tensor]:
    """A lone output without a name has that of the layer that it comes from."""
    if set(outputs) != {OUTPUT}:
        return outputs
    names = {call.output.name: call.name for call in calls}
    return {names.get(one.name, OUTPUT): one for one in outputs.values()}
