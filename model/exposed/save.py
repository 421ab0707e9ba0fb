"""Signatures -> SavedModels on disk."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from model.exposed.signatures import Signature

VARIABLES = Path("variables") / "variables"  # prefix of the checkpoint in a SavedModel
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # entry of every checkpoint of TensorFlow 2


def save_signatures(
    signatures: Mapping[str, Signature],
    folder: Path,
    resources: Iterable[tf.saved_model.experimental.TrackableResource] = (),
) -> list[tf.Variable]:
    """Writes a SavedModel like `keras.export.ExportArchive`, but traces each signature only once.

    Args:
        signatures: by name.
        folder: destination; must not exist.
        resources: what the signatures use in addition to variables, such as lookup tables.

    Returns:
        The variables of the signatures, for `save_variables`.
    """
    functions = {
        name: tf.function(function, autograph=False).get_concrete_function(*inputs)
        for name, (function, inputs) in signatures.items()
    }
    variables = {id(v): v for function in functions.values() for v in function.variables}
    root = tf.Module()
    root.resources = [*variables.values(), *resources]
    tf.saved_model.save(root, str(folder), signatures=functions)
    return list(variables.values())


def save_variables(variables: Sequence[tf.Variable], template: Path, folder: Path) -> None:
    """Writes a SavedModel with the graph of another one and the current values of its variables.

    This takes a hundredth of the time of tracing and saving the signatures again.

    Args:
        variables: returned by `save_signatures`.
        template: the SavedModel that `save_signatures` wrote.
        folder: destination; must not exist.

    Raises:
        OSError, tf.errors.OpError: the folder cannot be written.
    """
    (folder / VARIABLES).parent.mkdir(parents=True)
    for graph in template.glob("*.pb"):
        shutil.copy(graph, folder)
    checkpoint = tf.train.load_checkpoint(str(template / VARIABLES))
    names = [f"resources/{i}/.ATTRIBUTES/VARIABLE_VALUE" for i in range(len(variables))]
    tf.raw_ops.SaveV2(
        prefix=str(folder / VARIABLES),
        tensor_names=[*names, OBJECT_GRAPH],
        shape_and_slices=[""] * (len(names) + 1),
        tensors=[*(v.read_value() for v in variables), checkpoint.get_tensor(OBJECT_GRAPH)],
    )
