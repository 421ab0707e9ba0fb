"""Compares a training that exports live versions with a plain one, in turns on the same machine."""

from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

import numpy as np

from model.live_run import LiveRun
from model.mnist import Mnist
from model.recipe import SPRINT
from model.training import train

ROUNDS = 3
VALIDATION = 2000  # digits


class _TimedRun(LiveRun):
    """Records how long each export takes."""

    seconds: list[float]

    def add(self, *arguments: object) -> None:
        started = perf_counter()
        super().add(*arguments)
        self.seconds.append(perf_counter() - started)


class Cost(NamedTuple):
    """The cost of live exports."""

    ratio: float  # time of a sprint with exports, divided by the time of one without
    export: float  # seconds, median
    longest: float  # seconds
    exports: int  # per run


def measure_live_training(mnist: Mnist) -> Cost:
    """Trains by the recipe `sprint` with and without exports."""
    plain, live, exports = [], [], []
    for number in range(1, ROUNDS + 1):
        with TemporaryDirectory() as folder:
            run = _TimedRun(Path(folder) / "mnist", number)
            run.seconds = []
            for times, exporter in ((plain, None), (live, run)):
                started = perf_counter()
                train(
                    (mnist.train_images, mnist.train_labels),
                    Path(folder) / str(len(times)) / ("live" if exporter else "plain"),
                    SPRINT,
                    epochs=SPRINT.epochs,
                    validation=VALIDATION,
                    seed=number,
                    live=exporter,
                )
                times.append(perf_counter() - started)
            exports.append(run.seconds)
    seconds = np.concatenate(exports)
    # The fastest of each, to exclude load from other programs.
    ratio = min(live) / min(plain)
    return Cost(ratio, float(np.median(seconds)), float(seconds.max()), len(exports[0]))


if __name__ == "__main__":
    import sys

    from model.mnist import load_mnist

    print(measure_live_training(load_mnist(Path(sys.argv[1]))))
