"""Loads a Keras model from a file, or explains in one sentence why it cannot."""

import importlib.util
import re
import zipfile
from pathlib import Path

import h5py
import keras
import tensorflow as tf

from model.exposed.errors import ExposeError

SUFFIXES = (".keras", ".h5", ".hdf5")


def load_keras_file(
    path: Path, definitions: Path | None = None, *, is_trusted: bool = False
) -> keras.Model:
    """Loads a model for inference.

    Args:
        path: a `.keras` file, or a legacy `.h5` file.
        definitions: a Python file with the model's custom layers and functions; it is executed.
        is_trusted: whether code stored in the model file (Lambda layers) may run.

    Raises:
        ExposeError: the model cannot be loaded.
    """
    if not path.is_file():
        raise ExposeError(f"There is no file {path}.")
    if path.suffix not in SUFFIXES:
        raise ExposeError(
            f"{path} is not a Keras model file; expected one of {', '.join(SUFFIXES)}."
        )
    is_container = zipfile.is_zipfile(path) if path.suffix == ".keras" else h5py.is_hdf5(path)
    if not is_container:
        raise ExposeError(
            f"{path} is not a Keras model, or it is cut off. "
            f"`model.save({path.name!r})` writes one."
        )
    custom = _definitions(definitions) if definitions else {}
    try:
        model = keras.saving.load_model(path, custom, compile=False, safe_mode=not is_trusted)
    except (MemoryError, tf.errors.ResourceExhaustedError):
        raise
    except Exception as error:  # Keras raises many kinds of errors
        raise ExposeError(_describe(path, error)) from error
    if not isinstance(model, keras.Model):
        raise ExposeError(f"{path} contains a {type(model).__name__}; expected a Keras model.")
    return model


def _definitions(path: Path) -> dict[str, object]:
    """Returns the classes and functions that a Python file defines, by name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ExposeError(f"--import {path}: there is no such Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ExposeError(f"--import {path} fails: {type(error).__name__}: {error}") from error
    return {name: value for name, value in vars(module).items() if callable(value)}


def _describe(path: Path, error: Exception) -> str:
    """Returns a sentence about an error of Keras."""
    message = str(error)
    if "lambda" in message.lower() and ("safe_mode" in message or "unsafe" in message):
        return (
            f"{path} has a Lambda layer, which is code that runs when the model is loaded. If you "
            "know where the file comes from, allow it with --trust."
        )
    missing = re.search(r"Could not locate (?:class|function) '([^']+)'", message) or re.search(
        r"Unknown (?:layer|object|\w+ function|\w+): '?(\w+)'?", message
    )
    if missing:
        return (
            f"{path} uses {missing[1]}, which is not one of Keras's own. Name the Python file that "
            "defines it with --import FILE.py."
        )
    first_line = message.strip().partition("\n")[0][:300]
    return f"{path} cannot be loaded as a Keras model: {type(error).__name__}: {first_line}"
