"""MNIST: 70,000 handwritten digits, read from the official IDX files.

Source and format: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.idx import read_idx

HOW_TO_GET_IT = (
    "Put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte (as they are or as .gz) into a folder and pass it with --data DIR."
)


class MnistError(Exception):
    """The digits cannot be read; the message names the file and says what to do."""


class Mnist(NamedTuple):
    """Images are uint8 [N, 28, 28], 0 = paper, 255 = ink; labels are uint8 [N]."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_mnist(folder: Path | None = None) -> Mnist:
    """Reads the digits from IDX files, or from Keras's copy, which Keras downloads if necessary.

    Args:
        folder: of the four IDX files, gzipped or not; None for Keras's copy.

    Raises:
        MnistError: a file is missing or invalid, or the download fails.
    """
    if folder is None:
        return _load_keras_copy()
    digits = Mnist(
        _read_idx(folder, "train-images-idx3-ubyte", rank=3),
        _read_idx(folder, "train-labels-idx1-ubyte", rank=1),
        _read_idx(folder, "t10k-images-idx3-ubyte", rank=3),
        _read_idx(folder, "t10k-labels-idx1-ubyte", rank=1),
    )
    for part, images, labels in (("train", *digits[:2]), ("t10k", *digits[2:])):
        if images.shape != (len(labels), 28, 28):
            raise MnistError(
                f"The {part} images in {folder} have the shape {list(images.shape)}; "
                f"expected [{len(labels)}, 28, 28], one image for each label."
            )
    return digits


def _load_keras_copy() -> Mnist:
    import keras  # takes seconds to import, which local files do not need

    try:
        train, test = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras wraps all download errors in a bare Exception
        raise MnistError(
            f"MNIST is not on this machine, and downloading it failed: {error}. {HOW_TO_GET_IT}"
        ) from error
    return Mnist(*train, *test)


def _read_idx(folder: Path, name: str, rank: int) -> np.ndarray:
    plain, zipped = folder / name, folder / f"{name}.gz"
    if not (plain.exists() or zipped.exists()):
        raise MnistError(f"There is no {name} and no {name}.gz in {folder}. {HOW_TO_GET_IT}")
    try:
        return read_idx(plain if plain.exists() else zipped, rank)
    except (OSError, ValueError) as error:
        raise MnistError(str(error)) from error
