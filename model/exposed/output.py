"""A model's outputs by name, and the one with the scores of classes."""

from typing import Literal, NamedTuple

import tensorflow as tf

from model.exposed.errors import ExposeError

OUTPUT = "output"  # name of an unnamed output
_PASS_THROUGH = ("Identity", "Cast", "Reshape")


class Scores(NamedTuple):
    """The output with the scores of classes.

    Args:
        name: of the output.
        classes: their number.
        output_activation: the function that the output ends with.
    """

    name: str
    classes: int
    output_activation: Literal["softmax", "sigmoid", "linear"]

    @property
    def are_probable(self) -> bool:
        """Whether probabilities can be computed from them."""
        return self.classes > 1 or self.output_activation == "sigmoid"

    def probabilities(self, logits: tf.Tensor, temperature: float) -> tf.Tensor:
        """Returns float32 [N, classes] of logits [N, classes] divided by a temperature."""
        function = tf.sigmoid if self.output_activation == "sigmoid" else tf.nn.softmax
        return function(logits / temperature)


def name_outputs(output: object) -> dict[str, tf.Tensor]:
    """Returns a model's outputs by name: the model's names, `output`, or `output_0` and so on.

    Raises:
        ExposeError: an output is not a tensor of numbers.
    """
    if isinstance(output, dict):
        named = {str(name): tensor for name, tensor in output.items()}
    elif isinstance(output, list | tuple):
        named = {f"{OUTPUT}_{index}": tensor for index, tensor in enumerate(output)}
    else:
        named = {OUTPUT: output}
    for name, tensor in named.items():
        if not tf.is_tensor(tensor) or isinstance(tensor, tf.RaggedTensor | tf.SparseTensor):
            raise ExposeError(
                f"The model's {name} is a {type(tensor).__name__}; expected is a tensor of numbers."
            )
        if not (tensor.dtype.is_floating or tensor.dtype.is_integer):
            raise ExposeError(
                f"The model's {name} is a tensor of type {tensor.dtype.name}; expected are numbers."
            )
    return named


def find_scores(outputs: dict[str, tf.Tensor]) -> tuple[Scores, tf.Tensor] | None:
    """Returns the first output of shape [N, classes] and its logits; None if there is none."""
    for name, output in outputs.items():
        if output.shape.rank == 2 and output.shape[1] and output.dtype.is_floating:
            output_activation, logits = _before_activation(output)
            return Scores(name, output.shape[1], output_activation), tf.cast(logits, tf.float32)
    return None


def _before_activation(scores: tf.Tensor) -> tuple[str, tf.Tensor]:
    operation = scores.op
    while operation.type in _PASS_THROUGH and operation.inputs[0].shape.rank == 2:
        operation = operation.inputs[0].op
    if operation.type in ("Softmax", "Sigmoid") and operation.inputs[0].shape.rank == 2:
        return operation.type.lower(), operation.inputs[0]
    return "linear", scores
