"""How good the released weights are: worse ones fail."""

import numpy as np
import pytest
from PIL import Image

from serving.client import Client
from tests.pictures import encode

BATCH = 500


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


def accuracy(client: Client, images: np.ndarray, labels: np.ndarray, **options) -> float:
    floats = images.astype(np.float32) / 255
    return float((read(client, "serving_default", "images", floats, **options) == labels).mean())


def test_on_the_test_digits(client, mnist):
    assert accuracy(client, mnist.test_images, mnist.test_labels) >= 0.996


def test_on_training_digits(client, digits):
    """These have been learned, so that nearly all of them must be right."""
    assert accuracy(client, *digits) >= 0.998


def test_drawings_and_pictures_are_read_as_well(client, digits):
    images, labels = digits[0][::5], digits[1][::5]
    assert (read(client, "sketch", "drawings", images) == labels).mean() >= 0.997
    files = np.array([encode(Image.fromarray(255 - image), "PNG") for image in images], object)
    assert (read(client, "classify", "image_bytes", files) == labels).mean() >= 0.995


@pytest.mark.parametrize(("step", "low", "high"), [(1, 0.0, 0.5), (100, 0.8, 0.98)])
def test_early_snapshots_are_early(client, digits, step, low, high):
    assert low <= accuracy(client, *digits, version=step) <= high


def test_snapshots_tell_of_progress(client, digits):
    accuracies = [accuracy(client, *digits, version=step) for step in client.versions()]
    assert accuracies == sorted(accuracies)
