"""Measures a network on the test digits, on other handwriting, and on non-digits.

python -m model.report [--weights DIR] [--data DIR] [--wrong FILE.png]
"""

import argparse
import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from model.calibration import BINS, CONFIDENCE_THRESHOLD, calibration_error, softmax
from model.handwriting import Samples, write_digits, write_scribbles, write_signs
from model.handwriting.ink import HELD_OUT_STYLES, STYLES, normalise
from model.mnist import MnistError, load_mnist
from model.network import CLASSES, build_network
from model.weights import RELEASED, WeightsError, find_snapshots, load_snapshot

GENERATED = 2000  # images of each kind of handwriting
SEED = 2026  # of generated handwriting; no training uses it
TILE = 64  # pixels, side of a misclassified digit in the picture of all


@dataclass(frozen=True)
class Score:
    """How a network classifies one kind of image, in fractions of 1."""

    wrong: float
    uncertain: float  # probability below `CONFIDENCE_THRESHOLD`


@dataclass(frozen=True)
class Report:
    """The figures of one network."""

    accuracy: float  # on the test digits, 0 to 1
    confusion: np.ndarray  # int [10, 10], on the test digits: label by prediction
    calibration_error: float  # on the test digits, 0 to 1
    temperature: float
    digits: dict[str, Score]
    others: dict[str, Score]  # non-digits, of which `wrong` is meaningless
    wrong: np.ndarray  # int [errors, 3]: index, label and prediction of misclassified test digits


def report(path: Path, images: np.ndarray, labels: np.ndarray) -> Report:
    """Measures a snapshot.

    Args:
        path: the snapshot.
        images: the test digits, uint8 [N, 28, 28].
        labels: uint8 [N].
    """
    network = build_network()
    temperature = load_snapshot(network, path)

    def predict(images: np.ndarray) -> np.ndarray:
        logits = network.predict(images.astype(np.float32) / 255, batch_size=500, verbose=0)
        return softmax(logits, temperature)  # [N, 10]

    def score(images: np.ndarray, labels: np.ndarray) -> Score:
        probabilities = predict(images)
        wrong = probabilities.argmax(axis=1) != labels
        return Score(wrong.mean(), (probabilities.max(axis=1) < CONFIDENCE_THRESHOLD).mean())

    probabilities = predict(images)
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    digits, others = _write_samples()
    digits = {"MNIST's test digits": (images, labels), **digits}
    return Report(
        accuracy=float((predictions == labels).mean()),
        confusion=tf.math.confusion_matrix(labels, predictions, CLASSES).numpy(),
        calibration_error=calibration_error(probabilities, labels),
        temperature=temperature,
        digits={name: score(*samples) for name, samples in digits.items()},
        others={name: score(*samples) for name, samples in others.items()},
        wrong=np.stack([wrong, labels[wrong], predictions[wrong]], axis=1),
    )


@functools.cache  # several networks are measured on the same samples
def _write_samples() -> tuple[dict[str, Samples], dict[str, Samples]]:
    """Returns digits that are not MNIST's, and non-digits."""
    random = np.random.default_rng(SEED)
    digits = {
        **{f"generated, {style}": write_digits(GENERATED, [style], random) for style in STYLES},
        **{
            f"generated, {style} (held out)": write_digits(GENERATED, [style], random)
            for style in HELD_OUT_STYLES
        },
        "scikit-learn's 1,797 digits": _load_others(),
    }
    others = {
        "letters and signs": write_signs(GENERATED, "train", ["pen"], random),
        "letters and signs (held out)": write_signs(GENERATED, "test", ["pen"], random),
        "scribbles": write_scribbles(GENERATED, ["pen"], random),
        "scribbles, nib (held out)": write_scribbles(GENERATED, ["nib"], random),
    }
    return digits, others


def _load_others() -> Samples:
    """Returns 8x8 scans of 43 other people's digits, from E. Alpaydin and C. Kaynak's data set."""
    from sklearn.datasets import load_digits

    others = load_digits()  # ink from 0 to 16
    return normalise(np.minimum(16 * others.images, 255).astype(np.uint8)), others.target


def describe(report: Report) -> str:
    """Returns the report as Markdown."""
    confusion = "\n".join(
        f"| **{label}** | " + " | ".join(str(count or "") for count in row) + " |"
        for label, row in enumerate(report.confusion)
    )
    digits = "\n".join(
        f"| {name} | {score.wrong:.2%} | {score.uncertain:.2%} |"
        for name, score in report.digits.items()
    )
    others = "\n".join(
        f"| {name} | {score.uncertain:.1%} |" for name, score in report.others.items()
    )
    return f"""Test accuracy is {report.accuracy:.2%}. The expected calibration error is \
{report.calibration_error:.2%} ({BINS} bins; temperature {report.temperature:.3f}, fitted on \
validation digits).

Labels (rows) and predictions (columns) of the test digits:

| | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{confusion}

Digits; "not sure" means a probability below {CONFIDENCE_THRESHOLD}:

| digits | misclassified | not sure |
| --- | --- | --- |
{digits}

Non-digits, which should be "not sure":

| non-digits | not sure |
| --- | --- |
{others}
"""


def draw_wrong(images: np.ndarray, wrong: np.ndarray) -> Image.Image:
    """Returns a picture of all misclassified digits with their labels and predictions.

    Args:
        images: the test digits, uint8 [N, 28, 28].
        wrong: of the `Report`.
    """
    columns = 10
    rows = -(-len(wrong) // columns)
    width, height = TILE + 24, TILE + 32
    sheet = Image.new("L", (columns * width, rows * height), 255)
    pen = ImageDraw.Draw(sheet)
    for position, (index, label, prediction) in enumerate(wrong):
        x, y = position % columns * width + 12, position // columns * height + 8
        sheet.paste(Image.fromarray(255 - images[index]).resize((TILE, TILE)), (x, y))
        pen.text((x, y + TILE), f"{label} predicted as {prediction}", fill=0)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--weights",
        type=Path,
        default=RELEASED,
        help="folder of snapshots; default: the released weights",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the four IDX files; default: Keras's copy of MNIST",
    )
    parser.add_argument(
        "--wrong", type=Path, metavar="FILE", help="write a picture of the misclassified digits"
    )
    arguments = parser.parse_args()
    try:
        snapshots = find_snapshots(arguments.weights)
        mnist = load_mnist(arguments.data)
        result = report(snapshots[max(snapshots)], mnist.test_images, mnist.test_labels)
    except (WeightsError, MnistError) as error:
        sys.exit(f"model.report: {error}")
    print(describe(result))
    if arguments.wrong:
        draw_wrong(mnist.test_images, result.wrong).save(arguments.wrong)
        print(f"The {len(result.wrong)} misclassified digits: {arguments.wrong}")


if __name__ == "__main__":
    main()
