"""A Keras model -> a SavedModel for TensorFlow Serving, with everything a page needs."""

import re
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from model.exposed.describe import describe, to_json
from model.exposed.errors import ExposeError
from model.exposed.files import FINGERPRINT_FILE, VERSION
from model.exposed.network import ALL_LAYERS, Network
from model.exposed.preprocessing import Preprocess, make_preprocessing
from model.exposed.save import save_signatures
from model.exposed.signatures import ExposedModel, build_signatures
from model.exposed.warmup import make_requests
from model.versions import replace_version
from model.warmup import write_requests


def expose(
    model: keras.Model,
    folder: Path,
    *,
    name: str | None = None,
    labels: Sequence[str] = (),
    prepare: Preprocess | None = None,
    pixels: tuple[float, float] | None = None,
    kind: str | None = None,
    size: tuple[int, int] | None = None,
    layers: Sequence[str] = ALL_LAYERS,
    about: dict | None = None,
    fingerprint: str = "",
) -> dict:
    """Exports a model with all its layers exposed as `folder/1`, replacing an earlier export.

    The version appears atomically.

    Args:
        model: with one input, a picture: [N, height, width, 1 or 3] or [N, height, width].
        folder: base path for TensorFlow Serving.
        name: name under which the model is served; default: the folder's.
        labels: class names in order.
        prepare: turns a picture uint8 [H, W, 3], or a drawing uint8 [H, W, 1], into the model's
            input, in TensorFlow operations; default: scale it and map its values to `pixels`.
        pixels: input values for black and white, or for paper and ink; default: (0, 255) for
            pictures, (0, 1) for drawings.
        kind: `drawing` or `picture`; default: `drawing` for small inputs with one channel.
        size: height and width, for a model that accepts any size.
        layers: name patterns of the layers to expose, as for file names.
        about: more fields of the description, such as `title` (`docs/description.md`).
        fingerprint: stored with the model to recognise an up-to-date export.

    Returns:
        The description.

    Raises:
        ExposeError: the model cannot be exposed; the message says why.
        OSError: the folder cannot be written.
    """
    name = name or folder.name
    if not re.fullmatch(r"[\w.-]+", name):
        raise ExposeError(
            f"{name!r} cannot be a model's name: use only letters, digits, '_', '-' and '.'."
        )
    shape, dtype, input_name = _find_input(model, size)
    preprocessing = make_preprocessing(
        shape, dtype, size=size, kind=kind, pixels=pixels, custom=prepare
    )
    inputs = tf.TensorSpec([None, *preprocessing.shape], dtype, input_name)
    network = Network(model, inputs, layers)
    if labels and (not network.scores or len(labels) != network.scores.classes):
        classes = network.scores.classes if network.scores else "no"
        raise ExposeError(f"There are {len(labels)} labels, but the model has {classes} classes.")
    description = describe(name, network, preprocessing, labels, about)
    signatures = build_signatures(ExposedModel(network, preprocessing), to_json(description))

    def write(unfinished: Path) -> None:
        parts = tf.train.TrackableView(model).descendants()
        tables = [
            part
            for part in parts
            if isinstance(part, tf.saved_model.experimental.TrackableResource)
        ]
        save_signatures(signatures, unfinished, tables)
        requests = make_requests(network, preprocessing)
        write_requests(unfinished, name, {key: requests[key] for key in signatures})
        (unfinished / FINGERPRINT_FILE).write_text(fingerprint)

    check_folder(folder)
    try:
        replace_version(folder / str(VERSION), write)
    except tf.errors.OpError as error:
        if "OOM when allocating" in error.message:
            raise
        # TensorFlow's error for a full disk, or for a folder that is a file.
        message = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*", "", error.message)
        raise OSError(f"{folder} cannot be written: {message}") from error
    return description


def check_folder(folder: Path) -> None:
    """Raises ExposeError if a folder holds versions that are not of an exposed model."""
    for version in folder.glob("[0-9]*"):
        if not (version / FINGERPRINT_FILE).exists():
            raise ExposeError(
                f"{folder} holds another model, in {version.name}/. Choose another --name, or "
                "another folder."
            )


def _find_input(
    model: keras.Model, size: tuple[int, int] | None
) -> tuple[tuple[int | None, ...], tf.DType, str]:
    """Returns the shape without the batch, the dtype and the name of a model's only input.

    Raises:
        ExposeError: there are several inputs, or the model does not know its input.
    """
    inputs = _list_inputs(model)
    if len(inputs) > 1:
        names = ", ".join(name for _, _, name in inputs)
        raise ExposeError(
            f"The model takes {len(inputs)} inputs, {names}: a page can show models with one."
        )
    if not inputs:
        raise ExposeError(
            "The model's input is unknown, since it was saved before it was ever called. Call it "
            "once on a batch of inputs and save it again."
        )
    shape, dtype, name = inputs[0]
    return shape, dtype, re.sub(r"\W", "_", name)


def _list_inputs(model: keras.Model) -> list[tuple[tuple[int | None, ...], tf.DType, str]]:
    try:
        inputs = model.inputs  # of functional and sequential models
    except (AttributeError, ValueError):
        inputs = None
    if inputs:
        return [(tuple(x.shape[1:]), tf.as_dtype(x.dtype), x.name) for x in inputs]
    built = (model.get_build_config() or {}) if model.built else {}
    shapes = built.get("shapes_dict") or {"inputs": built.get("input_shape")}
    flat = [shape for shape in shapes.values() if shape]
    is_nested = any(isinstance(shape[0], tuple | list) for shape in flat)
    if is_nested or any(isinstance(shape, dict) for shape in flat):
        raise ExposeError("The model takes several inputs: a page can show models with one.")
    dtype = tf.as_dtype(model.input_dtype)
    return [(tuple(shape[1:]), dtype, "inputs") for shape in flat]
