"""How good a network is: on the test digits, on other people's hands, and on what is no digit.

python -m model.report [--weights DIR] [--data DIR] [--wrong FILE.png]
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from model.calibration import BINS, SURE, calibration_error, softmax
from model.handwriting import Written, write_digits, write_scribbles, write_signs
from model.handwriting.ink import HELD_OUT_STYLES, STYLES, form
from model.mnist import MnistError, load_mnist
from model.network import CLASSES, build_network
from model.weights import RELEASED, WeightsError, find_snapshots, load_snapshot

WRITTEN = 2000  # of each kind
SEED = 2026  # of handwriting that no training has seen
TILE = 64  # pixels of a wrong digit in the picture of all


@dataclass(frozen=True)
class Part:
    """How a network reads one kind of image; both are fractions of 1."""

    wrong: float
    unsure: float  # less than `SURE`


@dataclass(frozen=True)
class Report:
    """The figures of one network."""

    accuracy: float  # of the test digits, a fraction of 1
    confusion: np.ndarray  # int [10, 10], of the test digits: label by reading
    calibration_error: float  # of the test digits, a fraction of 1
    temperature: float
    digits: dict[str, Part]
    others: dict[str, Part]  # what is no digit: only `unsure` means something
    wrong: np.ndarray  # int [errors, 3]: which test digits are read wrongly, label, reading


def report(path: Path, images: np.ndarray, labels: np.ndarray) -> Report:
    """Measures a snapshot.

    Args:
        images: the test digits, uint8 [N, 28, 28].
        labels: uint8 [N].
    """
    network = build_network()
    temperature = load_snapshot(network, path)
    random = np.random.default_rng(SEED)

    def read(images: np.ndarray) -> np.ndarray:
        logits = network.predict(images.astype(np.float32) / 255, batch_size=500, verbose=0)
        return softmax(logits, temperature)  # [N, 10]

    def judge(images: np.ndarray, labels: np.ndarray) -> Part:
        probabilities = read(images)
        wrong = probabilities.argmax(axis=1) != labels
        return Part(wrong.mean(), (probabilities.max(axis=1) < SURE).mean())

    probabilities = read(images)
    readings = probabilities.argmax(axis=1)
    confusion = np.zeros((CLASSES, CLASSES), int)
    np.add.at(confusion, (labels, readings), 1)
    wrong = np.flatnonzero(readings != labels)
    digits = {
        "MNIST's test digits": (images, labels),
        **{f"generated, {style}": write_digits(WRITTEN, [style], random) for style in STYLES},
        **{
            f"generated, {style} (held out)": write_digits(WRITTEN, [style], random)
            for style in HELD_OUT_STYLES
        },
        "scikit-learn's 1,797 digits": _load_others(),
    }
    others = {
        "letters and signs": write_signs(WRITTEN, "train", ["pen"], random),
        "letters and signs (held out)": write_signs(WRITTEN, "test", ["pen"], random),
        "scribbles": write_scribbles(WRITTEN, ["pen"], random),
        "scribbles, nib (held out)": write_scribbles(WRITTEN, ["nib"], random),
    }
    return Report(
        accuracy=float((readings == labels).mean()),
        confusion=confusion,
        calibration_error=calibration_error(probabilities, labels),
        temperature=temperature,
        digits={name: judge(*part) for name, part in digits.items()},
        others={name: judge(*part) for name, part in others.items()},
        wrong=np.stack([wrong, labels[wrong], readings[wrong]], axis=1),
    )


def _load_others() -> Written:
    """8x8 scans of 43 other people's digits, from E. Alpaydin and C. Kaynak's data set."""
    from sklearn.datasets import load_digits  # here, since serving a network does not need it

    others = load_digits()  # ink from 0 to 16
    return form(np.minimum(16 * others.images, 255).astype(np.uint8)), others.target


def describe(report: Report) -> str:
    """The figures as Markdown."""
    confusion = "\n".join(
        f"| **{label}** | " + " | ".join(str(count or "") for count in row) + " |"
        for label, row in enumerate(report.confusion)
    )
    digits = "\n".join(
        f"| {name} | {part.wrong:.2%} | {part.unsure:.2%} |" for name, part in report.digits.items()
    )
    others = "\n".join(f"| {name} | {part.unsure:.1%} |" for name, part in report.others.items())
    return f"""Of the test digits {report.accuracy:.2%} are read rightly. The expected calibration \
error is {report.calibration_error:.2%} ({BINS} bins; temperature {report.temperature:.3f}, fitted \
on validation digits).

What they are (down) and what they are read as:

| | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{confusion}

Digits, of which a reading is "not sure" with a probability under {SURE}:

| digits | read wrongly | not sure |
| --- | --- | --- |
{digits}

What is no digit should be "not sure":

| no digits | not sure |
| --- | --- |
{others}
"""


def draw_wrong(images: np.ndarray, wrong: np.ndarray) -> Image.Image:
    """All digits that are read wrongly, each with "label, read as reading" under it.

    Args:
        images: the test digits, uint8 [N, 28, 28].
        wrong: from the `Report`.
    """
    columns = 10
    rows = -(-len(wrong) // columns)
    width, height = TILE + 24, TILE + 32
    sheet = Image.new("L", (columns * width, rows * height), 255)
    pen = ImageDraw.Draw(sheet)
    for place, (index, label, reading) in enumerate(wrong):
        x, y = place % columns * width + 12, place // columns * height + 8
        sheet.paste(Image.fromarray(255 - images[index]).resize((TILE, TILE)), (x, y))
        pen.text((x, y + TILE), f"{label} read as {reading}", fill=0)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=RELEASED, help="folder with snapshots")
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the four IDX files")
    parser.add_argument("--wrong", type=Path, metavar="FILE", help="picture of the misread digits")
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
        print(f"The {len(result.wrong)} misread digits: {arguments.wrong}")


if __name__ == "__main__":
    main()
