"""The accuracy and calibration of the released weights."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from model.calibration import CONFIDENCE_THRESHOLD, calibration_error
from model.handwriting import write_digits, write_scribbles, write_signs
from serving.client import Client
from tests.pictures import encode

BATCH = 250


def classify(client: Client, signature: str, name: str, items: np.ndarray, **options) -> np.ndarray:
    """Returns the digits that a signature predicts, in batches."""
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
    """Returns the probabilities of drawings by `sketch`: [N, 10]."""
    parts = [drawings[i : i + BATCH] for i in range(0, len(drawings), BATCH)]
    return np.concatenate(
        [
            client.predict("sketch", {"drawings": part}, outputs=["probabilities"])["probabilities"]
            for part in parts
        ]
    )


def accuracy(client: Client, images: np.ndarray, labels: np.ndarray, **options) -> float:
    floats = images.astype(np.float32) / 255
    return float(
        (classify(client, "serving_default", "images", floats, **options) == labels).mean()
    )


def test_accuracy_on_test_digits(client, mnist):
    assert accuracy(client, mnist.test_images, mnist.test_labels) >= 0.996


def test_calibration_on_test_digits(client, mnist):
    predicted = probabilities(client, mnist.test_images)
    assert calibration_error(predicted, mnist.test_labels) <= 0.005


def test_calibration_on_training_digits(client, digits):
    assert calibration_error(probabilities(client, digits[0]), digits[1]) <= 0.01


@pytest.mark.parametrize(
    ("style", "minimum"), [("pen", 0.95), ("scanner", 0.92), ("nib", 0.94), ("dots", 0.8)]
)
def test_accuracy_on_generated_handwriting(client, style, minimum):
    drawings, labels = write_digits(2000, [style], np.random.default_rng(7))
    assert (probabilities(client, drawings).argmax(axis=1) == labels).mean() >= minimum


def test_accuracy_on_scans_of_other_writers(client):
    scans = load_digits()  # 8x8, ink from 0 to 16; not used in training
    drawings = np.minimum(16 * scans.images, 255).astype(np.uint8)
    assert (probabilities(client, drawings).argmax(axis=1) == scans.target).mean() >= 0.95


def test_digits_have_high_confidence_and_non_digits_low(client, digits):
    random = np.random.default_rng(8)

    def confident(drawings: np.ndarray) -> float:
        confidence = probabilities(client, drawings).max(axis=1)
        return float((confidence >= CONFIDENCE_THRESHOLD).mean())

    assert confident(digits[0]) > 0.98
    assert confident(write_digits(1000, ["nib"], random)[0]) > 0.9
    assert confident(write_signs(1000, "test", ["pen"], random)[0]) < 0.36
    assert confident(write_scribbles(1000, ["nib"], random)[0]) < 0.2
    assert confident(np.zeros((1, 112, 112), np.uint8)) == 0


def test_accuracy_on_training_digits(client, digits):
    """The network was trained on most of these."""
    assert accuracy(client, *digits) >= 0.996


def test_accuracy_on_drawings_and_picture_files(client, digits):
    images, labels = digits[0][::5], digits[1][::5]
    assert (classify(client, "sketch", "drawings", images) == labels).mean() >= 0.994
    files = np.array([encode(Image.fromarray(255 - image), "PNG") for image in images], object)
    assert (classify(client, "classify", "image_bytes", files) == labels).mean() >= 0.992


@pytest.mark.parametrize(("step", "low", "high"), [(1, 0.0, 0.5), (100, 0.8, 0.98)])
def test_accuracy_of_early_snapshots(client, digits, step, low, high):
    assert low <= accuracy(client, *digits, version=step) <= high


def test_accuracy_rises_from_snapshot_to_snapshot(client, digits):
    accuracies = [accuracy(client, *digits, version=step) for step in client.versions()]
    assert accuracies == sorted(accuracies)
