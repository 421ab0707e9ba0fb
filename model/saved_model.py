"""Snapshots -> SavedModels for TensorFlow Serving, one numbered folder per training step."""

import json
from pathlib import Path

import tensorflow as tf

from model.exposed.describe import describe
from model.exposed.network import Network
from model.exposed.preprocessing import make_preprocessing
from model.exposed.save import save_signatures
from model.exposed.signatures import ExposedModel, Signature
from model.exposed.signatures import build_signatures as build_exposed_signatures
from model.exposed.warmup import make_requests
from model.feature_visualization import load_features, visualize_features
from model.network import CLASSES, SIDE, build_network
from model.signatures import build_signatures
from model.warmup import mnist_requests, write_requests
from model.weights import features_path, load_snapshot

# The page's texts about this network, and the strokes of its sample digits.
ABOUT, SAMPLES = (Path(__file__).parent / name for name in ("about.json", "samples.json"))
NAME = "mnist"
EXPLAIN = "explain_class"  # name of the general `explain` here; `about.json` refers to it
LABELS = [str(digit) for digit in range(CLASSES)]


def write_saved_model(snapshot: Path, folder: Path) -> None:
    """Writes a SavedModel with all signatures and their warm-up requests.

    Args:
        snapshot: the weights, from `weights.save_snapshot`.
        folder: destination of the SavedModel; must not exist.
    """
    network = build_network()
    temperature = load_snapshot(network, snapshot)
    path = features_path(snapshot)
    features = load_features(path) if path.exists() else visualize_features(network)
    model = ExposedModel(
        Network(network, tf.TensorSpec([None, SIDE, SIDE], tf.float32, "images")),
        make_preprocessing((SIDE, SIDE), tf.float32),
        temperature,
        {"h_conv2": features},
    )
    # MNIST's own `serving_default`, `classify` and `explain` replace the general ones.
    signatures = {
        **_exposed_signatures(model, steps=int(snapshot.stem)),
        **build_signatures(model),
    }
    save_signatures(signatures, folder)
    requests = make_requests(model.network, model.preprocessing, EXPLAIN)
    write_requests(folder, NAME, {**requests, **mnist_requests()})


def _exposed_signatures(model: ExposedModel, steps: int) -> dict[str, Signature]:
    """The signatures of any exposed model, described as trained for a number of steps."""
    digits = zip(LABELS, json.loads(SAMPLES.read_text()), strict=True)
    samples = [{"name": name, "strokes": strokes} for name, strokes in digits]
    about = json.loads(ABOUT.read_text()) | {"samples": samples, "trained": {"steps": steps}}
    description = describe(NAME, model.network, model.preprocessing, LABELS, about)
    signatures = build_exposed_signatures(model, description)
    signatures[EXPLAIN] = signatures.pop("explain")
    return signatures
