"""`python -m model.report` against the server's results."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.pages import ROOT
from tests.test_accuracy import accuracy
from tests.test_mnist import write_mnist


@pytest.fixture(scope="module")
def reported(digits, tmp_path_factory):
    images, labels = digits[0], digits[1].copy()
    labels[:7] = 9  # seven zeros labelled as nines
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder, images, labels, images, labels, zipped=True)
    picture = folder / "wrong.png"
    run = subprocess.run(
        [sys.executable, "-m", "model.report", f"--data={folder}", f"--wrong={picture}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return run.stdout, labels, picture


def test_reported_accuracy_equals_the_servers(reported, client, digits):
    text, labels, _ = reported
    accuracy_in_percent = float(re.search(r"Test accuracy is ([\d.]+)%", text)[1])
    assert accuracy_in_percent == pytest.approx(100 * accuracy(client, digits[0], labels), abs=0.01)
    assert len(re.findall(r"held out", text)) == 4


def test_confusion_matrix_counts_the_wrong_labels(reported):
    text, labels, _ = reported
    rows = re.findall(r"^\| \*\*\d\*\* \| (.*) \|$", text, re.MULTILINE)
    confusion = np.array([[int(cell or 0) for cell in row.split(" | ")] for row in rows])
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels))
    assert 7 <= confusion[9, 0] <= 9  # and perhaps two misclassified nines


def test_the_misclassified_digits_are_drawn(reported):
    text, _, picture = reported
    count = int(re.search(r"The (\d+) misclassified digits", text)[1])
    assert count >= 7
    image = Image.open(picture)
    rows = -(-count // 10)
    assert image.height % rows == 0
    first = np.asarray(image)[: image.height // rows, : image.width // 10]
    assert first.min() == 0
    assert first.max() == 255
