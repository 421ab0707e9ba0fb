"""Snapshots -> SavedModels that TensorFlow Serving hosts, one numbered folder a training step."""

from pathlib import Path

import keras

from model.feature_visualization import load_features, visualize_features
from model.network import build_network, expose_layers
from model.signatures import build_signatures
from model.warmup import write_warmup
from model.weights import features_path, load_snapshot


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
    archive = keras.export.ExportArchive()
    archive.track(layers)
    for name, signature in build_signatures(layers, temperature, features).items():
        archive.add_endpoint(name, signature.function, signature.inputs)
    archive.write_out(folder, verbose=False)
    write_warmup(folder)
