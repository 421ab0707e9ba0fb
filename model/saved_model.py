"""Network -> SavedModels for TensorFlow Serving, one numbered folder per training step."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model.exposed.describe import describe, to_json
from model.exposed.network import Network
from model.exposed.preprocessing import make_preprocessing
from model.exposed.save import save_signatures, save_variables
from model.exposed.signatures import ExposedModel
from model.exposed.signatures import build_signatures as build_exposed_signatures
from model.exposed.warmup import make_requests
from model.feature_visualization import FIELD, load_features, visualize_features
from model.learning_curve import Point, load_curve
from model.network import CLASSES, SIDE, build_network
from model.signatures import build_signatures
from model.warmup import mnist_requests, write_requests
from model.weights import features_path, load_snapshot

# The page's texts about this network, and the strokes of its sample digits.
ABOUT, SAMPLES = (Path(__file__).parent / name for name in ("about.json", "samples.json"))
NAME = "mnist"
EXPLAIN = "explain_class"  # name of the general `explain` here; `about.json` refers to it
LABELS = [str(digit) for digit in range(CLASSES)]


def make_snapshot_writer() -> Callable[[Path, Path], None]:
    """Returns a function that writes a snapshot as a SavedModel to a folder, which must not exist.

    A snapshot is a file from `weights.save_snapshot`.
    """
    network = build_network()
    writer = SavedModelWriter(network, feature_count=network.get_layer("h_conv2").filters)

    def write(snapshot: Path, folder: Path) -> None:
        steps = int(snapshot.stem)
        temperature = load_snapshot(network, snapshot)
        path = features_path(snapshot)
        features = load_features(path) if path.exists() else visualize_features(network)
        curve = [point for point in load_curve(snapshot.parent) if point.step <= steps]
        writer.write(folder, steps, curve, temperature=temperature, features=features)

    return write


class SavedModelWriter:
    """Writes SavedModels with all signatures, as the weights of one network change.

    All of them have the same graph, which is traced once. Their variables differ: the weights, the
    temperature, the feature visualizations and the description.

    Args:
        network: from `build_network`.
        feature_count: maps of `h_conv2` with a feature visualization, 0 or 64.
    """

    def __init__(self, network: keras.Model, feature_count: int):
        self._temperature = tf.Variable(1.0)
        self._features = tf.Variable(np.zeros([feature_count, FIELD, FIELD], np.uint8))
        self._text = tf.Variable("")
        model = ExposedModel(
            Network(network, tf.TensorSpec([None, SIDE, SIDE], tf.float32, "images")),
            make_preprocessing((SIDE, SIDE), tf.float32),
            self._temperature,
            {"h_conv2": self._features},
        )
        # MNIST's own `serving_default`, `classify` and `explain` replace the general ones.
        signatures = build_exposed_signatures(model, self._text)
        signatures[EXPLAIN] = signatures.pop("explain")
        self._template = tempfile.TemporaryDirectory(prefix="layer-xray-")
        self._graph = Path(self._template.name) / "graph"
        self._variables = save_signatures({**signatures, **build_signatures(model)}, self._graph)
        requests = make_requests(model.network, model.preprocessing, EXPLAIN)
        self._requests = {**requests, **mnist_requests()}
        self._description = describe(
            NAME, model.network, model.preprocessing, LABELS, _about_the_network()
        )

    def write(
        self,
        folder: Path,
        steps: int,
        curve: Sequence[Point],
        *,
        temperature: float,
        version_offset: int = 0,
        features: np.ndarray | None = None,
        is_warmed: bool = True,
    ) -> None:
        """Writes a SavedModel with the network's current weights.

        Args:
            folder: destination; must not exist.
            steps: training steps of the weights.
            curve: the learning curve up to this step.
            temperature: divides the logits for calibrated probabilities (`calibration`).
            version_offset: the version's number minus `steps`.
            features: uint8 [64, 14, 14] from `feature_visualization`, if the writer has any.
            is_warmed: whether to write warm-up requests.

        Raises:
            OSError, tf.errors.OpError: the folder cannot be written.
        """
        trained = {"steps": steps, "version_offset": version_offset, "curve": curve}
        self._text.assign(to_json({**self._description, "trained": trained}))
        self._temperature.assign(temperature)
        if features is not None:
            self._features.assign(features)
        save_variables(self._variables, self._graph, folder)
        if is_warmed:
            write_requests(folder, NAME, self._requests)


def _about_the_network() -> dict:
    digits = zip(LABELS, json.loads(SAMPLES.read_text()), strict=True)
    samples = [{"name": name, "strokes": strokes} for name, strokes in digits]
    return json.loads(ABOUT.read_text()) | {"samples": samples}
