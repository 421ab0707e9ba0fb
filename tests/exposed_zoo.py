"""Keras models of all kinds, each with the true activations of its layers by Keras."""

import atexit
import functools
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from filelock import FileLock
from keras import layers

from model.exposed.export import expose
from model.exposed.keras_file import load_keras_file
from serving.embedded.servable import Servable
from tests.pages import ROOT

SHARED = ROOT / "exported" / "zoo"
Activations = dict[str, np.ndarray]  # by name, in the order of computation
FOLDER = Path(tempfile.mkdtemp(prefix="exposed-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


@dataclass
class Exposed:
    """An exported model and its SavedModel, loaded as in a server."""

    model: keras.Model
    folder: Path
    description: dict
    servable: Servable

    def ask(self, signature: str, *outputs: str, **inputs: object) -> Activations:
        """Runs a signature; converts inputs to its types."""
        specs = self.servable.find_signature(signature).inputs
        arrays = {
            name: np.asarray(value, tf.as_dtype(specs[name].dtype).as_numpy_dtype)
            if name in specs
            else np.asarray(value)
            for name, value in inputs.items()
        }
        return self.servable.run(signature, arrays, outputs)

    def serve(self, x: np.ndarray) -> Activations:
        """Runs `serving_default`."""
        return self.ask("serving_default", **{self.description["input"]["name"]: x})

    @property
    def layers(self) -> list[dict]:
        """Layers in the description."""
        return self.description["layers"]

    def index(self, name: str) -> int:
        return [layer["name"] for layer in self.layers].index(name)

    def inputs(self, count: int, seed: int = 0) -> np.ndarray:
        """Returns random inputs from paper to ink or from black to white."""
        spec = next(iter(self.servable.find_signature("serving_default").inputs.values()))
        shape = [count, *(dim.size for dim in spec.tensor_shape.dim[1:])]
        pixels = sorted(self.description["input"]["pixels"])
        numbers = np.random.default_rng(seed).uniform(*pixels, shape)
        return numbers.astype(tf.as_dtype(spec.dtype).as_numpy_dtype)

    def pictures(self, count: int, seed: int = 0) -> np.ndarray:
        """Returns random pictures of exactly the model's size."""
        image = self.description["input"]
        channels = 1 if image["kind"] == "drawing" else 3
        shape = [count, image["height"], image["width"], channels]
        return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def export(model: keras.Model, **options: object) -> Exposed:
    """Exports a model to a new folder."""
    folder = Path(tempfile.mkdtemp(dir=FOLDER)) / model.name
    description = expose(model, folder, **options)
    return Exposed(model, folder, description, Servable(folder / "1", is_warmed=False))


def unsettle(model: keras.Model, seed: int = 0) -> keras.Model:
    """Sets all weights to random values, none of which can be left out without a difference."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if len(weight.shape) > 1:
            spread = np.sqrt(2 / np.prod(weight.shape[:-1]))
            weight.assign(random.normal(0, spread, weight.shape))
        else:
            weight.assign(random.uniform(0.2, 1.5, weight.shape))
    return model


def saved(model: keras.Model, suffix: str = ".keras", definitions: str = "") -> keras.Model:
    """Saves a model and loads it again."""
    folder = Path(tempfile.mkdtemp(dir=FOLDER))
    path, code = folder / f"{model.name}{suffix}", folder / "definitions.py"
    model.save(path)
    code.write_text(definitions)
    return load_keras_file(path, code if definitions else None)


def build_functional(height: int = 24, width: int = 20) -> keras.Model:
    """A model with windows of all kinds and two branches."""
    image = keras.Input((height, width, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1, name="scaled")(image)
    x = layers.ZeroPadding2D(((1, 0), (0, 2)), name="padded")(x)
    x = layers.Conv2D(8, (3, 5), strides=2, activation="relu", name="strided")(x)
    branch = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    branch = layers.BatchNormalization(name="normal")(branch)
    branch = layers.ReLU(6, name="relu6")(branch)
    branch = layers.Conv2D(8, 3, dilation_rate=2, groups=4, padding="same", name="grouped")(branch)
    x = layers.Add(name="sum")([x, branch])
    x = layers.MaxPooling2D((3, 2), 2, padding="same", name="most")(x)
    x = layers.Dropout(0.5, name="dropped")(x)
    x = layers.AveragePooling2D(2, 1, name="mean")(x)
    x = layers.Conv2D(6, 2, padding="same", use_bias=False, name="plain")(x)
    x = layers.GlobalAveragePooling2D(name="all")(x)
    x = layers.Dense(5, activation="softmax", name="classes")(x)
    return unsettle(keras.Model(image, x, name="functional"))


def _layer_activations(model: keras.Model, x: np.ndarray) -> Activations:
    """Returns activations of a functional or sequential model that calls each layer once."""
    shown = [
        layer
        for layer in model.layers
        if type(layer).__name__ not in ("InputLayer", "ZeroPadding2D", "Dropout", "Flatten")
    ]
    answers = keras.Model(model.inputs, {layer.name: layer.output for layer in shown})([x])
    return {layer.name: np.asarray(answers[layer.name]) for layer in shown}


def _sequential(*start: object) -> keras.Sequential:
    return keras.Sequential(
        [
            *start,
            layers.Conv2D(4, 3, padding="same", activation="relu", name="conv"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(6, activation="tanh", name="hidden"),
            layers.Dropout(0.5, name="dropped"),
            layers.Dense(3, name="logits"),
        ],
        name="sequential",
    )


def prepare_corner(picture: tf.Tensor) -> tf.Tensor:
    """A custom preprocessing: the top left corner of a drawing, twice as strong."""
    return tf.cast(picture[:8, :8], tf.float32) / 127.5


def _called_once() -> keras.Model:
    model = _sequential()
    model(np.zeros((2, 8, 8, 1), np.float32))
    return saved(unsettle(model, 1))


SUBCLASSED = """
import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("zoo")
class Doubling(layers.Layer):
    def call(self, x):
        return 2 * x + 1


@keras.saving.register_keras_serializable("zoo")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(4, 3, activation="relu", name="conv")
        self.doubling = Doubling(name="doubling")
        self.dropped = layers.Dropout(0.5, name="dropped")
        self.dense = layers.Dense(1, activation="sigmoid", name="dense")

    def call(self, x, training=False):
        x = self.doubling(self.conv(x))
        return self.dense(ops.mean(self.dropped(x, training=training), axis=(1, 2)))
"""


def _subclassed() -> keras.Model:
    space: dict[str, type] = {}
    exec(SUBCLASSED, space)
    model = space["Subclassed"](name="subclassed")
    model(np.zeros((1, 12, 10, 3), np.float32))
    return saved(unsettle(model, 2), definitions=SUBCLASSED)


def _subclassed_activations(model: keras.Model, x: np.ndarray) -> Activations:
    conv = np.asarray(model.conv(x))
    doubling = 2 * conv + 1
    return {
        "conv": conv,
        "doubling": doubling,
        "dense": np.asarray(model.dense(doubling.mean((1, 2)))),
    }


def _shared() -> keras.Model:
    image = keras.Input((9, 9, 1), dtype="uint8", name="image")
    conv = layers.Conv2D(1, 3, padding="same", activation="relu", name="conv")
    numbers = layers.IntegerLookup(vocabulary=list(range(256)), name="numbers")(image)  # a table
    levels = layers.Rescaling(1 / 256, name="levels")(numbers)
    first = conv(levels)
    second = conv(first)
    joined = layers.Concatenate(name="joined")([levels, first, second])
    x = layers.GlobalMaxPooling2D(name="most")(joined)
    scores, other = layers.Dense(4, name="scores")(x), layers.Dense(2, name="other")(x)
    model = keras.Model(image, {"scores": scores, "other": other}, name="shared")
    return unsettle(model, 3)


def _shared_activations(model: keras.Model, x: np.ndarray) -> Activations:
    conv = model.get_layer("conv")
    numbers = x.astype(np.int64) + 1  # 0 is for values that are not in the table
    levels = numbers.astype(np.float32) / 256
    first = np.asarray(conv(levels))
    second = np.asarray(conv(first))
    joined = np.concatenate([levels, first, second], axis=3)
    most = joined.max((1, 2))
    dense = {name: np.asarray(model.get_layer(name)(most)) for name in ("scores", "other")}
    start = {"numbers": numbers, "levels": levels}
    return {**start, "conv": first, "conv_1": second, "joined": joined, "most": most, **dense}


def _nested() -> keras.Model:
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.BatchNormalization(name="normal"),
            layers.Activation("relu", name="relu"),
        ],
        name="inner",
    )
    image = keras.Input((8, 8, 2))
    block = keras.Model(
        image, layers.Conv2D(3, 3, strides=2, name="conv")(inner(image)), name="block"
    )
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(2, 3, padding="same", name="conv")(image)
    x = layers.Flatten(name="flat")(block(x))
    x = layers.Dense(3, activation="softmax", name="classes")(x)
    return saved(unsettle(keras.Model(image, x, name="nested"), 4))


def _nested_activations(model: keras.Model, x: np.ndarray) -> Activations:
    block = model.get_layer("block")
    mean, variance = (
        np.asarray(value) for value in block.get_layer("inner").get_layer("normal").weights[2:]
    )
    gamma, beta = map(np.asarray, block.get_layer("inner").get_layer("normal").weights[:2])
    conv = np.asarray(model.get_layer("conv")(x))
    normal = (conv - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    relu = np.maximum(normal, 0)
    inner = np.asarray(block.get_layer("conv")(relu))
    classes = model.get_layer("classes")(inner.reshape(len(x), -1))
    return {
        "conv": conv,
        "block/inner/normal": normal,
        "block/inner/relu": relu,
        "block/conv": inner,
        "classes": np.asarray(classes),
    }


def _legacy() -> keras.Model:
    return saved(unsettle(_sequential(keras.Input((8, 8, 1), name="image")), 5), ".h5")


def _recurrent() -> keras.Model:
    rows = keras.Input((8, 6), name="rows")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(rows)
    x = layers.GRU(4, name="gru")(x)
    x = layers.Dense(2, activation="softmax", name="classes")(x)
    return unsettle(keras.Model(rows, x, name="recurrent"), 6)


def _recurrent_activations(model: keras.Model, x: np.ndarray) -> Activations:
    both = model.get_layer("both")
    forward = np.asarray(both.forward_layer(x))
    backward = np.asarray(both.backward_layer(x))  # last row first
    joined = np.concatenate([forward, backward[:, ::-1]], axis=2)
    gru = np.asarray(model.get_layer("gru")(joined))
    return {
        "both/forward_lstm": forward,
        "both/backward_lstm": backward,
        "both": joined,
        "gru": gru,
        "classes": np.asarray(model.get_layer("classes")(gru)),
    }


def _large() -> keras.Model:
    """A model with more positions, maps, units and steps than a page can show."""
    image = keras.Input((130, 60, 1), name="image")
    rows = layers.Reshape((130, 60), name="rows")(image)
    steps = layers.Conv1D(3, 3, padding="same", name="steps")(rows)
    wide = layers.Conv2D(70, (1, 3), name="wide")(image)
    narrow = layers.MaxPooling2D(8, name="narrow")(wide)
    units = layers.Dense(5000, name="units")(layers.GlobalAveragePooling2D(name="all")(narrow))
    few = layers.Dense(3, name="few")(layers.Flatten(name="flat")(steps))
    return unsettle(keras.Model(image, [few, units], name="large"), 7)


def _large_activations(model: keras.Model, x: np.ndarray) -> Activations:
    shown = ["wide", "narrow", "steps", "all", "units", "few"]
    outputs = {name: model.get_layer(name).output for name in shown}
    answers = keras.Model(model.inputs, outputs)([x])
    return {name: np.asarray(answers[name]) for name in shown}


def _linear() -> keras.Model:
    """A model with known gradients: the log odds of two classes are a weighted sum of pixels."""
    image = keras.Input((57, 70, 3), name="image")
    x = layers.Dense(2, name="logits")(layers.Flatten(name="flat")(image))
    return unsettle(keras.Model(image, x, name="linear"), 8)


class Kind(NamedTuple):
    build: Callable[[], keras.Model]
    truth: Callable[[keras.Model, np.ndarray], Activations] = _layer_activations
    options: Mapping[str, object] = MappingProxyType({})


KINDS = {
    "functional": Kind(build_functional),
    "sequential": Kind(
        lambda: unsettle(_sequential(keras.Input((8, 8, 1), name="image"))),
        options={"labels": ["zero", "one", "two"]},
    ),
    "called once": Kind(_called_once, options={"prepare": prepare_corner}),
    "subclassed": Kind(_subclassed, _subclassed_activations, {"pixels": (-1, 1)}),
    "shared": Kind(_shared, _shared_activations, {"pixels": (0, 255)}),
    "nested": Kind(_nested, _nested_activations),
    "legacy": Kind(_legacy, options={"pixels": (1, 0)}),
    "recurrent": Kind(_recurrent, _recurrent_activations),
    "large": Kind(_large, _large_activations),
    "linear": Kind(_linear, options={"pixels": (0, 1)}),
}


@functools.cache
def exposed(kind: str) -> Exposed:
    """Returns one of `KINDS`, exported once for all test processes."""
    keras.utils.clear_session()  # gives unnamed layers the same names in each process
    keras.utils.set_random_seed(0)
    model = KINDS[kind].build()
    folder = SHARED / _fingerprint() / kind
    description_file = folder / "description.json"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not description_file.exists():
            description = expose(model, folder, name=model.name, **KINDS[kind].options)
            description_file.write_text(json.dumps(description))
    description = json.loads(description_file.read_text())
    return Exposed(model, folder, description, Servable(folder / "1", is_warmed=False))


def _fingerprint() -> str:
    """Returns a hash of the code that exports depend on."""
    files = sorted([*(ROOT / "model").rglob("*.py"), Path(__file__)])
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    return digest.hexdigest()[:16]
