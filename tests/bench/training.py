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
MEASURED = 200  # steps of the tutorial, three times: before, between and after the others
VALIDATION = 2000
SEED = 1


class Seconds(NamedTuple):
    """How long trainings take."""

    tutorial: float  # scaled up from some of its 20,000 steps
    sprint: float
    sprint_accuracy: float  # on the test digits, a fraction of 1
    release: float  # scaled up from one epoch


def measure_training(mnist: Mnist) -> Seconds:
    """Trains by all three recipes in turn."""
    learned = mnist.train_images, mnist.train_labels
    tutorial = Tutorial(*learned)
    tutorial.run(WARM_UP)
    times = tutorial.run(MEASURED)
    with TemporaryDirectory() as folder:
        sprint = train(
            learned, Path(folder), SPRINT, epochs=SPRINT.epochs, validation=VALIDATION, seed=SEED
        )
        times += tutorial.run(MEASURED)
        accuracy = report(sprint.final, mnist.test_images, mnist.test_labels).accuracy
    with TemporaryDirectory() as folder:
        release = train(learned, Path(folder), RELEASE, epochs=1, validation=VALIDATION, seed=SEED)
        times += tutorial.run(MEASURED)
    return Seconds(
        STEPS * float(np.mean(times)), sprint.seconds, accuracy, RELEASE.epochs * release.seconds
    )
