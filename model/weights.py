"""Snapshots: the weights at some training steps, each a float16 safetensors file.

`<step>.safetensors` holds `<layer>.kernel` and `<layer>.bias` of every layer with weights, and the
`temperature` that calibrates the probabilities (`calibration`). Half precision halves the files and
changes no prediction on the test digits.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

if TYPE_CHECKING:
    import keras  # takes seconds to import, which listing a folder does not need

RELEASED = Path(__file__).parent / "released"
TEMPERATURE = "temperature"


class WeightsError(Exception):
    """A snapshot cannot be read or does not fit the network; the message says why."""


def save_snapshot(network: keras.Model, folder: Path, step: int, temperature: float = 1.0) -> Path:
    """Writes the network's weights to `folder/<step>.safetensors` and returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{step}.safetensors"
    weights = {name: v.numpy().astype(np.float16) for name, v in _named_variables(network).items()}
    save_file({**weights, TEMPERATURE: np.array(temperature, np.float32)}, path)
    return path


def load_snapshot(network: keras.Model, path: Path) -> float:
    """Loads a snapshot's weights into the network and returns its temperature.

    Raises:
        WeightsError: the file is not a snapshot of this architecture.
    """
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as a safetensors file: {error}.") from error
    variables = _named_variables(network)
    found = {name: array.shape for name, array in weights.items()}
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    expected[TEMPERATURE] = ()
    if found != expected:
        raise WeightsError(f"{path} does not fit the network: it has {found}; expected {expected}.")
    for name, variable in variables.items():
        variable.assign(weights[name].astype(np.float32))
    return float(weights[TEMPERATURE])


def load_kernel(path: Path) -> np.ndarray:
    """Returns the kernel of a snapshot's first convolution, float32 [5, 5, 1, 32].

    Raises:
        WeightsError: the file is not a snapshot.
    """
    try:
        return load_file(path)["h_conv1.kernel"].astype(np.float32)
    except (OSError, SafetensorError, KeyError) as error:
        raise WeightsError(f"{path} cannot be read as a snapshot: {error}.") from error


def find_snapshots(folder: Path) -> dict[int, Path]:
    """Returns the snapshots of a folder by training step, in ascending order.

    Raises:
        WeightsError: there are none.
    """
    snapshots = {int(p.stem): p for p in folder.glob("*.safetensors") if p.stem.isdecimal()}
    if not snapshots:
        raise WeightsError(
            f"There is no <step>.safetensors in {folder}. "
            "`python train.py` writes such a folder; the released one is model/released."
        )
    return dict(sorted(snapshots.items()))


def features_path(snapshot: Path) -> Path:
    """Returns the path of a snapshot's feature visualizations, which may not exist."""
    return snapshot.with_suffix(".features.png")


def _named_variables(network: keras.Model) -> dict[str, keras.Variable]:
    return {
        f"{layer.name}.{variable.name}": variable
        for layer in network.layers
        for variable in layer.trainable_variables
    }
