"""Compares training time with the tutorial's training, on the same machine at the same time."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from model.live_run import LiveRun
from model.mnist import Mnist
from model.recipe import RELEASE, SPRINT
from model.report import report
from model.training import train
from tests.bench.tutorial import STEPS, Tutorial

WARM_UP = 50  # steps
TUTORIAL_STEPS = 150  # measured four times: before, between and after the other recipes
VALIDATION = 2000  # digits
SEEDS = (1, 2)  # of the sprints; the faster run counts, to exclude load from other programs


class Seconds(NamedTuple):
    """Training times."""

    tutorial: float  # extrapolated to 20,000 steps
    sprint: float
    sprint_accuracy: float  # the lowest of all runs on the test digits, 0 to 1
    live_sprint: float  # a sprint that exports live versions
    release: float  # extrapolated from one epoch


def measure_training(mnist: Mnist) -> Seconds:
    """Trains with all three recipes, alternating with steps of the tutorial."""
    data = mnist.train_images, mnist.train_labels
    tutorial = Tutorial(*data)
    tutorial.run(WARM_UP)
    times = tutorial.run(TUTORIAL_STEPS)
    sprints, live_sprints, accuracies = [], [], []
    for seed in SEEDS:
        with TemporaryDirectory() as folder:
            for seconds, live in ((sprints, None), (live_sprints, LiveRun(Path(folder), seed))):
                run = train(
                    data,
                    Path(folder) / ("live" if live else "plain"),
                    SPRINT,
                    epochs=SPRINT.epochs,
                    validation=VALIDATION,
                    seed=seed,
                    live=live,
                )
                seconds.append(run.seconds)
            accuracies.append(report(run.final, mnist.test_images, mnist.test_labels).accuracy)
        times += tutorial.run(TUTORIAL_STEPS)
    with TemporaryDirectory() as folder:
        release = train(data, Path(folder), RELEASE, epochs=1, validation=VALIDATION, seed=SEEDS[0])
    times += tutorial.run(TUTORIAL_STEPS)
    epochs_seconds = RELEASE.epochs * (release.seconds - release.preprocessing)
    return Seconds(
        STEPS * float(np.median(times)),
        min(sprints),
        min(accuracies),
        min(live_sprints),
        release.preprocessing + epochs_seconds,
    )
