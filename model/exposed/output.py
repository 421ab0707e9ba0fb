"""What a model answers: outputs by name, and one of them as scores of classes."""

from typing import Literal, NamedTuple

import tensorflow as tf

from model.exposed.errors import ExposeError

OUTPUT = "output"  # the name of an output that has none
_PASSING = ("Identity", "Cast", "Reshape")


class Scores(NamedTuple):
    """The output that says how likely classes are.

    Args:
        name: of the output.
        classes: how many there are.
        output_activation: the function that makes the output; a linear number is no probability.
    """

    name: str
    classes: int
    output_activation: Literal["softmax", "sigmoid", "linear"]

    @property
    def are_probable(self) -> bool:
        """Whether probabilities follow from them."""
        return self.classes > 1 or self.output_activation == "sigmoid"

    def probabilities(self, logits: tf.Tensor, temperature: float) -> tf.Tensor:
        """float32 [N, classes] of logits that are divided by a temperature before."""
        if self.output_activation == "sigmoid":
            return tf.sigmoid(logits / temperature)
        return tf.nn.softmax(logits / temperature)


def name_outputs(output: object) -> dict[str, tf.Tensor]:
    """A model's outputs by name: its own names, `output`, or `output_0` and so on.

    Raises:
        ExposeError: one of them is no tensor of numbers.
    """
    if isinstance(output, dict):
        named = {str(name): one for name, one in output.items()}
    elif isinstance(output, list | tuple):
        named = {f"{OUTPUT}_{index}": one for index, one in enumerate(output)}
    else:
        named = {OUTPUT: output}
    for name, one in named.items():
        if not tf.is_tensor(one) or isinstance(one, tf.RaggedTensor | tf.SparseTensor):
            raise ExposeError(
                f"The model's {name} is a {type(one).__name__}; expected is a tensor of numbers."
            )
        if not (one.dtype.is_floating or one.dtype.is_integer):
            raise ExposeError(
                f"The model's {name} is a tensor of type {one.dtype.name}; expected are numbers."
            )
    return named


def find_scores(outputs: dict[str, tf.Tensor]) -> tuple[Scores, tf.Tensor] | None:
    """The first output with a number for each of some classes, and its logits [N, classes]."""
    for name, one in outputs.items():
        if one.shape.rank == 2 and one.shape[1] and one.dtype.is_floating:
            output_activation, logits = _before_activation(one)
            return Scores(name, one.shape[1], output_activation), tf.cast(logits, tf.float32)
    return None


def _before_activation(scores: tf.Tensor) -> tuple[str, tf.Tensor]:
    operation = scores.op
    while operation.type in _PASSING and operation.inputs[0].shape.rank == 2:
        operation = operation.inputs[0].op
    if operation.type in ("Softmax", "Sigmoid") and operation.inputs[0].shape.rank == 2:
        return operation.type.lower(), operation.inputs[0]
    return "linear", scores
