"""Writes the model card of a folder of snapshots: how they were trained and how good they are."""

import platform
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model import augment, training
from model.network import build_network
from model.recipe import Recipe
from model.report import Report, describe
from model.weights import find_snapshots


def write_card(
    folder: Path,
    recipe: Recipe,
    runs: Sequence[training.Run],
    reports: Sequence[Report],
    flags: str,
) -> Path:
    """Writes `folder/README.md` and returns its path.

    Args:
        folder: the snapshots of the first run.
        recipe: of all runs.
        runs: one per seed.
        reports: one per run, of its last snapshot.
        flags: the arguments of `train.py`.
    """
    path = folder / "README.md"
    path.write_text(_card(folder, recipe, runs, reports, flags))
    return path


def _card(
    folder: Path,
    recipe: Recipe,
    runs: Sequence[training.Run],
    reports: Sequence[Report],
    flags: str,
) -> str:
    run, report = runs[0], reports[0]
    parameters = build_network().count_params()
    snapshots = ", ".join(str(step) for step in find_snapshots(folder))
    batch = ", ".join(f"{count} {name}" for name, count in recipe.batch.items())
    seeds = "\n".join(
        f"| {run.seed} | {run.validation_accuracy[-1]:.2%} | {report.accuracy:.2%} "
        f"| {report.calibration_error:.2%} | {run.seconds:.0f} |"
        for run, report in zip(runs, reports, strict=True)
    )
    accuracies = np.array([report.accuracy for report in reports])
    spread = f", standard deviation {accuracies.std(ddof=1):.3%}" if len(runs) > 1 else ""
    validation = "\n".join(
        f"| {epoch} | {accuracy:.2%} |"
        for epoch, accuracy in enumerate(run.validation_accuracy, start=1)
    )
    return f"""# Model card

The network of the tutorial "Deep MNIST for Experts", {parameters:,} parameters, trained
on MNIST and on generated handwriting. Weights are float16 safetensors, one file per training step:
{snapshots}. The last is the released network; the others are its history. With each comes
a picture of the patches that activate the maps of `h_conv2` most, found by gradient ascent.

| | |
| --- | --- |
| command | `python train.py {flags}` |
| date | {date.today().isoformat()} |
| steps | {run.steps:,} of {sum(recipe.batch.values())} images: {batch} |
| time | {run.seconds:.0f} s on {platform.machine()}, float32 |
| versions | TensorFlow {tf.__version__}, Keras {keras.__version__} |
| recipe | Adam, weight decay {training.WEIGHT_DECAY}, \
one cycle to {recipe.peak_rate} and down to 0, \
warm-up {training.WARM_UP:.0%}, dropout {recipe.dropout}, label smoothing {training.SMOOTHING} |
| augmentation | rotation {augment.ROTATION}°, shear {augment.SHEAR}, zoom {augment.ZOOM:.0%}, \
shift {augment.SHIFT} pixels, each uniform in both directions; \
elastic, {augment.BEND} pixels at {augment.KNOTS}x{augment.KNOTS} knots; \
all times {recipe.distortion[0]}, falling to {recipe.distortion[1]} over the last \
{training.CALM:.0%} of the steps |

## Seeds

Mean test accuracy of {len(runs)} seeds: **{accuracies.mean():.3%}**{spread}. The first is released.

| seed | validation | test | calibration error | seconds |
| --- | --- | --- | --- | --- |
{seeds}

## The released network

{describe(report)}
`python -m model.report --data DIR --wrong wrong.png` prints this report and draws the misclassified
digits.

Validation accuracy after each epoch:

| epoch | validation |
| --- | --- |
{validation}

## Limits

It classifies single upright digits in MNIST's form (the `sketch` and `classify` signatures
normalise drawings and pictures). It has no class for "not a digit": non-digits should get low
probabilities, but some do not, as the last table shows.
"""
