"""Snapshots -> SavedModels that TensorFlow Serving hosts, one numbered folder a training step."""

import json
from pathlib import Path

import keras
import tensorflow as tf

from model.exposed.describe import describe
from model.exposed.network import Network
from model.exposed.preprocessing import make_preprocessing
from model.exposed.signatures import Parts
from model.exposed.signatures import build_signatures as build_exposed
from model.exposed.warmup import make_requests
from model.feature_visualization import load_features, visualize_features
from model.network import CLASSES, SIDE, build_network, expose_layers
from model.signatures import Signature, build_signatures
from model.warmup import own_requests, write_requests
from model.weights import features_path, load_snapshot

# What the page says of this network, and the digits that it starts from.
ABOUT, SAMPLES = (Path(__file__).parent / name for name in ("about.json", "samples.json"))
NAME = "mnist"
EXPLAIN = "explain_class"  # the name that any network's explanation has here, for `about.json` too
LABELS = [str(digit) for digit in range(CLASSES)]


def write_saved_model(snapshot: Path, folder: Path) -> None:
    """Writes a SavedModel with all signatures and their warm-up requests.

    Args:
        snapshot: the weights, from `weights.save_snapshot`.
        folder: where the SavedModel goes; must not exist.
    """
    network = build_network()
    temperature = load_snapshot(network, snapshot)
    kept = features_path(snapshot)
    features = load_features(kept) if kept.exists() else visualize_features(network)
    layers = expose_layers(network)
    parts = Parts(
        Network(network, tf.TensorSpec([None, SIDE, SIDE], tf.float32, "images")),
        make_preprocessing((SIDE, SIDE), tf.float32),
        temperature,
        {"h_conv2": features},
    )
    # This network has its own `serving_default`, `classify` and `explain`.
    signatures = {
        **expose_signatures(parts, steps=int(snapshot.stem)),
        **build_signatures(layers, temperature, features),
    }
    # Variables are found through the functions that use them; `track` would write them once more.
    archive = keras.export.ExportArchive()
    for name, signature in signatures.items():
        archive.add_endpoint(name, signature.function, signature.inputs)
    archive.write_out(folder, verbose=False)
    requests = make_requests(parts.network, parts.preprocessing, EXPLAIN)
    write_requests(folder, NAME, {**requests, **own_requests()})


def expose_signatures(parts: Parts, steps: int) -> dict[str, Signature]:
    """The signatures that any exposed model has, as this network has them after some steps."""
    strokes = json.loads(SAMPLES.read_text())
    samples = [{"name": name, "strokes": one} for name, one in zip(LABELS, strokes, strict=True)]
    about = json.loads(ABOUT.read_text()) | {"samples": samples, "trained": {"steps": steps}}
    description = describe(NAME, parts.network, parts.preprocessing, LABELS, about)
    signatures = build_exposed(parts, description)
    signatures[EXPLAIN] = signatures.pop("explain")
    return signatures
