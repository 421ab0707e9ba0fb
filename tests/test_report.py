"""`python -m model.report`: what it says about a network, against what the server answers."""

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
    labels[:7] = 9  # seven zeros that are called nines: these must be found
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder, images, labels, images, labels, zipped=True)
    picture = folder / "wrong.png"
    run = subprocess.run(
        [sys.executable, "-m", "model.report", f"--data={folder}", f"--wrong={picture}"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return run.stdout, labels, picture


def test_it_says_what_the_server_does(reported, client, digits):
    text, labels, _ = reported
    said = float(re.search(r"Of the test digits ([\d.]+)% are read rightly", text)[1])
    assert said == pytest.approx(100 * accuracy(client, digits[0], labels), abs=0.01)
    assert len(re.findall(r"held out", text)) == 4


def test_the_confusion_has_what_was_confused(reported):
    text, labels, _ = reported
    rows = re.findall(r"^\| \*\*\d\*\* \| (.*) \|$", text, re.MULTILINE)
    confusion = np.array([[int(cell or 0) for cell in row.split(" | ")] for row in rows])
    np.testing.assert_array_equal(confusion.sum(axis=1), np.bincount(labels))
    assert 7 <= confusion[9, 0] <= 9  # and perhaps a nine or two that are misread


def test_the_misread_digits_are_drawn(reported):
    text, _, picture = reported
    count = int(re.search(r"The (\d+) misread digits", text)[1])
    assert count >= 7
    image = Image.open(picture)
    rows = -(-count // 10)
    assert image.height % rows == 0
    first = np.asarray(image)[: image.height // rows, : image.width // 10]
    assert first.min() == 0
    assert first.max() == 255
