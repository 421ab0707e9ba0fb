"""Training beside the tutorial's own, on the same machine in the same minutes."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from model.mnist import Mnist
from model.recipe import RELEASE, SPRINT
from model.report import report
from model.training import train
from tests.bench.tutorial import STEPS, Tutorial

WARM_UP = 50
MEASURED = 150  # steps of the tutorial, four times: before, between and after the others
VALIDATION = 2000
SEEDS = (1, 2)  # of sprints, of which the faster counts: a shared machine has busy minutes


class Seconds(NamedTuple):
    """How long trainings take."""

    tutorial: float  # scaled up from some of its 20,000 steps
    sprint: float
    sprint_accuracy: float  # on the test digits, the lowest, a fraction of 1
    release: float  # scaled up from one epoch


def measure_training(mnist: Mnist) -> Seconds:
    """Trains by all three recipes in turn."""
    learned = mnist.train_images, mnist.train_labels
    tutorial = Tutorial(*learned)
    tutorial.run(WARM_UP)
    times = tutorial.run(MEASURED)
    sprints, accuracies = [], []
    for seed in SEEDS:
        with TemporaryDirectory() as folder:
            run = train(
                learned,
                Path(folder),
                SPRINT,
                epochs=SPRINT.epochs,
                validation=VALIDATION,
                seed=seed,
            )
            sprints.append(run.seconds)
            accuracies.append(report(run.final, mnist.test_images, mnist.test_labels).accuracy)
        times += tutorial.run(MEASURED)
    with TemporaryDirectory() as folder:
        release = train(
            learned, Path(folder), RELEASE, epochs=1, validation=VALIDATION, seed=SEEDS[0]
        )
    times += tutorial.run(MEASURED)
    passes = RELEASE.epochs * (release.seconds - release.preprocessing)
    return Seconds(
        STEPS * float(np.median(times)),
        min(sprints),
        min(accuracies),
        release.preprocessing + passes,
    )
