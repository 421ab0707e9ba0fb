"""Signatures -> a SavedModel on disk."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import tensorflow as tf

from model.exposed.signatures import Signature


def save_signatures(
    signatures: Mapping[str, Signature],
    folder: Path,
    resources: Iterable[tf.saved_model.experimental.TrackableResource] = (),
) -> None:
    """Writes a SavedModel like `keras.export.ExportArchive`, but traces each signature only once.

    Args:
        signatures: by name.
        folder: destination; must not exist.
        resources: what the signatures use in addition to variables, such as lookup tables.
    """
    functions = {
        name: tf.function(function, autograph=False).get_concrete_function(*inputs)
        for name, (function, inputs) in signatures.items()
    }
    variables = {id(v): v for function in functions.values() for v in function.variables}
    root = tf.Module()
    root.resources = [*variables.values(), *resources]
    tf.saved_model.save(root, str(folder), signatures=functions)
