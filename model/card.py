"""The model card: the figures of the run that made a folder of snapshots, beside them."""

import platform
from datetime import date
from pathlib import Path

import keras
import tensorflow as tf

from model import augment, training
from model.weights import find_snapshots


def write_card(folder: Path, run: training.Run, arguments: dict) -> Path:
    """Writes `folder/README.md` and returns its path."""
    path = folder / "README.md"
    path.write_text(_card(folder, run, arguments))
    return path


def _card(folder: Path, run: training.Run, arguments: dict) -> str:
    flags = " ".join(f"--{name} {arguments[name]}" for name in ("epochs", "batch", "validation"))
    validation = "\n".join(
        f"| {epoch} | {accuracy:.2%} |"
        for epoch, accuracy in enumerate(run.validation_accuracy, start=1)
    )
    errors = " | ".join(str(count) for count in run.test_errors)
    snapshots = ", ".join(str(step) for step in find_snapshots(folder))
    return f"""# Model card

The network of the tutorial "Deep MNIST for Experts" ({run.parameters:,} parameters), trained on
MNIST. Weights are float16 safetensors, one file a training step: {snapshots}. The last is the
released network, an average over the end of the training; the earlier ones are its history.

| | |
| --- | --- |
| made by | `python train.py --data DIR {flags} --seed {arguments["seed"]}` |
| date | {date.today().isoformat()} |
| steps | {run.steps:,} of {arguments["batch"]} digits |
| time | {run.seconds:.0f} s on {platform.machine()}, float32 |
| with | TensorFlow {tf.__version__}, Keras {keras.__version__} |
| recipe | Adam, one cycle to {training.PEAK_RATE} and back to 0 (warm-up {training.WARM_UP:.0%}), \
dropout 0.5, moving average over {training.AVERAGE:.0%} of the steps |
| augmentation | rotation {augment.ROTATION}°, shear {augment.SHEAR}, zoom {augment.ZOOM:.0%}, \
shift {augment.SHIFT} pixels, each either way and uniform |
| **test accuracy** | **{run.test_accuracy:.2%}** of 10,000 digits, read once, at the end |
| float16 for float32 | changes the reading of {run.changed_by_rounding} of them |

Errors on the test digits, by digit:

| 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| {errors} |

Accuracy on the {arguments["validation"]:,} validation digits after each epoch:

| epoch | validation |
| --- | --- |
{validation}

Limits: it knows single digits in MNIST's form (the `sketch` and `classify` signatures bring
drawings and pictures into it). It has no class for "not a digit", and its probabilities are not
calibrated.
"""
