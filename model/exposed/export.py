"""A Keras model -> a SavedModel that TensorFlow Serving hosts, with all that a page needs."""

import re
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from model.exposed.describe import describe
from model.exposed.errors import ExposeError
from model.exposed.files import MARK_FILE, VERSION
from model.exposed.network import ALL_LAYERS, Network
from model.exposed.preprocessing import Preprocess, make_preprocessing
from model.exposed.signatures import Parts, build_signatures
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
    mark: str = "",
) -> dict:
    """Exports a model with all its layers exposed, as `folder/1`, in place of what is there.

    The version appears whole or not at all.

    Args:
        model: of one input, which is a picture: [N, height, width, 1 or 3] or [N, height, width].
        folder: the base path for TensorFlow Serving.
        name: that the model is served under; the folder's by default.
        labels: of the classes, in order.
        prepare: makes one picture, uint8 [H, W, 3] or of a drawing [H, W, 1], the model's input,
            in TensorFlow operations; else it is scaled and its numbers brought to `pixels`.
        pixels: what the model takes for black and white, or for paper and ink: (0, 255) by default
            for pictures, (0, 1) for drawings.
        kind: `drawing` or `picture`; by default small inputs of one channel are drawn.
        size: height and width, for a model that takes any.
        layers: patterns of the names of the layers to expose, as of file names.
        about: more for the description: `title`, `trained`, and captions (`docs/description.md`).
        mark: kept beside the model, to know it again.

    Returns:
        The description.

    Raises:
        ExposeError: the model cannot be exposed; the message says why.
        OSError: the folder cannot be written.
    """
    name = name or folder.name
    if not re.fullmatch(r"[\w.-]+", name):
        raise ExposeError(
            f"{name!r} cannot be a model's name: letters, digits, '_', '-' and '.' can be in it."
        )
    shape, dtype, input_name = _find_input(model, size)
    preprocessing = make_preprocessing(
        shape, dtype, size=size, kind=kind, pixels=pixels, custom=prepare
    )
    inputs = tf.TensorSpec([None, *preprocessing.shape], dtype, input_name)
    network = Network(model, inputs, layers)
    if labels and (not network.scores or len(labels) != network.scores.classes):
        there = network.scores.classes if network.scores else "no"
        raise ExposeError(f"There are {len(labels)} labels, but the model has {there} classes.")
    description = describe(name, network, preprocessing, labels, about)
    signatures = build_signatures(Parts(network, preprocessing), description)

    def write(unfinished: Path) -> None:
        archive = keras.export.ExportArchive()
        # Variables are found through the functions that use them, and `track(model)` would write
        # them a second time; tables, of lookup layers, are found by `track` alone.
        for resource in tf.train.TrackableView(model).descendants():
            if isinstance(resource, tf.saved_model.experimental.TrackableResource):
                archive.track(resource)
        for signature, (function, specs) in signatures.items():
            archive.add_endpoint(signature, function, specs)
        archive.write_out(unfinished, verbose=False)
        requests = make_requests(network, preprocessing)
        write_requests(unfinished, name, {one: requests[one] for one in signatures})
        (unfinished / MARK_FILE).write_text(mark)

    check_folder(folder)
    try:
        replace_version(folder / str(VERSION), write)
    except tf.errors.OpError as error:
        if "OOM when allocating" in error.message:
            raise
        # TensorFlow's own way to say that a disk is full, or that a folder is none.
        said = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*", "", error.message)
        raise OSError(f"{folder} cannot be written: {said}") from error
    return description


def check_folder(folder: Path) -> None:
    """Raises ExposeError if a folder holds versions that no exposed model is."""
    for version in folder.glob("[0-9]*"):
        if not (version / MARK_FILE).exists():
            raise ExposeError(
                f"{folder} holds another model, in {version.name}/. Choose another --name, or "
                "another folder."
            )


def _find_input(
    model: keras.Model, size: tuple[int, int] | None
) -> tuple[tuple[int | None, ...], tf.DType, str]:
    """Shape without the batch, dtype and name of a model's only input.

    Raises:
        ExposeError: there are several, or nobody knows.
    """
    known = _known_inputs(model)
    if len(known) > 1:
        names = ", ".join(name for _, _, name in known)
        raise ExposeError(
            f"The model takes {len(known)} inputs, {names}: a page can show models of one."
        )
    if not known:
        raise ExposeError(
            "The model does not say what it takes, for it was saved before it was ever called. "
            "Call it once on a batch of inputs and save it again."
        )
    shape, dtype, name = known[0]
    return shape, dtype, re.sub(r"\W", "_", name)


def _known_inputs(model: keras.Model) -> list[tuple[tuple[int | None, ...], tf.DType, str]]:
    try:
        inputs = model.inputs  # of functional and sequential models
    except (AttributeError, ValueError):
        inputs = None
    if inputs:
        return [(tuple(one.shape[1:]), tf.as_dtype(one.dtype), one.name) for one in inputs]
    built = (model.get_build_config() or {}) if model.built else {}
    shapes = built.get("shapes_dict") or {"inputs": built.get("input_shape")}
    flat = [shape for shape in shapes.values() if shape]
    is_nested = any(isinstance(shape[0], tuple | list) for shape in flat)
    if is_nested or any(isinstance(shape, dict) for shape in flat):
        raise ExposeError("The model takes several inputs: a page can show models of one.")
    dtype = tf.as_dtype(model.input_dtype)
    return [(tuple(shape[1:]), dtype, "inputs") for shape in flat]
