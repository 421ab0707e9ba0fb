"""How good the released weights are: worse ones fail."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from model.calibration import SURE, calibration_error
from model.handwriting import write_digits, write_scribbles, write_signs
from serving.client import Client
from tests.pictures import encode

BATCH = 250


def read(client: Client, signature: str, name: str, items: np.ndarray, **options) -> np.ndarray:
    """The digits that a signature reads, in batches."""
    output = "logits" if signature == "serving_default" else "probabilities"
    return np.concatenate(
        [
            client.predict(signature, {name: items[i : i + BATCH]}, outputs=[output], **options)[
                output
            ].argmax(axis=1)
            for i in range(0, len(items), BATCH)
        ]
    )


def probabilities(client: Client, drawings: np.ndarray) -> np.ndarray:
    """What `sketch` says of drawings: [N, 10]."""
    parts = [drawings[i : i + BATCH] for i in range(0, len(drawings), BATCH)]
    return np.concatenate(
        [
            client.predict("sketch", {"drawings": part}, outputs=["probabilities"])["probabilities"]
            for part in parts
        ]
    )


def accuracy(client: Client, images: np.ndarray, labels: np.ndarray, **options) -> float:
    floats = images.astype(np.float32) / 255
    return float((read(client, "serving_default", "images", floats, **options) == labels).mean())


def test_on_the_test_digits(client, mnist):
    assert accuracy(client, mnist.test_images, mnist.test_labels) >= 0.996


def test_probabilities_are_calibrated_on_the_test_digits(client, mnist):
    said = probabilities(client, mnist.test_images)
    assert calibration_error(said, mnist.test_labels) <= 0.005


def test_probabilities_of_training_digits_are_nearly_calibrated(client, digits):
    assert calibration_error(probabilities(client, digits[0]), digits[1]) <= 0.01


@pytest.mark.parametrize(
    ("style", "least"), [("pen", 0.95), ("scanner", 0.92), ("nib", 0.94), ("dots", 0.8)]
)
def test_other_hands_are_read(client, style, least):
    drawings, labels = write_digits(2000, [style], np.random.default_rng(7))
    assert (probabilities(client, drawings).argmax(axis=1) == labels).mean() >= least


def test_other_peoples_scans_are_read(client):
    scans = load_digits()  # 8x8, ink from 0 to 16, which no training has seen
    drawings = np.minimum(16 * scans.images, 255).astype(np.uint8)
    assert (probabilities(client, drawings).argmax(axis=1) == scans.target).mean() >= 0.95


def test_digits_are_sure_and_what_is_none_is_not(client, digits):
    random = np.random.default_rng(8)

    def sure(drawings: np.ndarray) -> float:
        return float((probabilities(client, drawings).max(axis=1) >= SURE).mean())

    assert sure(digits[0]) > 0.98
    assert sure(write_digits(1000, ["nib"], random)[0]) > 0.9
    assert sure(write_signs(1000, "test", ["pen"], random)[0]) < 0.36
    assert sure(write_scribbles(1000, ["nib"], random)[0]) < 0.2
    assert sure(np.zeros((1, 112, 112), np.uint8)) == 0


def test_on_training_digits(client, digits):
    """Most of these have been learned, so that nearly all of them must be right."""
    assert accuracy(client, *digits) >= 0.996


def test_drawings_and_pictures_are_read_as_well(client, digits):
    images, labels = digits[0][::5], digits[1][::5]
    assert (read(client, "sketch", "drawings", images) == labels).mean() >= 0.994
    files = np.array([encode(Image.fromarray(255 - image), "PNG") for image in images], object)
    assert (read(client, "classify", "image_bytes", files) == labels).mean() >= 0.992


@pytest.mark.parametrize(("step", "low", "high"), [(1, 0.0, 0.5), (100, 0.8, 0.98)])
def test_early_snapshots_are_early(client, digits, step, low, high):
    assert low <= accuracy(client, *digits, version=step) <= high


def test_snapshots_tell_of_progress(client, digits):
    accuracies = [accuracy(client, *digits, version=step) for step in client.versions()]
    assert accuracies == sorted(accuracies)
