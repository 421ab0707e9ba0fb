"""One Predict of `sketch`: through client and embedded server, and the same graph in process."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import tensorflow as tf

from serving.client import Client
from tests.bench.pens import drawings
from tests.questions import SIDE

WARM_UP = 30
CALLS = 300


def measure_predict(client: Client, saved_model: Path) -> tuple[list[float], list[float]]:
    """Milliseconds a call: over gRPC, and of the SavedModel's signature in this process.

    The two take turns, so that a machine that changes its speed does not favour one of them.
    """
    ink = np.frombuffer(drawings()[10], np.uint8).reshape(1, SIDE, SIDE)
    signature = tf.saved_model.load(str(saved_model)).signatures["sketch"]
    tensor = tf.constant(ink)
    served: list[float] = []
    local: list[float] = []
    for call in range(WARM_UP + CALLS):
        for times, run in (
            (served, lambda: client.predict("sketch", {"drawings": ink})),
            (local, lambda: {n: t.numpy() for n, t in signature(drawings=tensor).items()}),
        ):
            milliseconds = _time(run)
            if call >= WARM_UP:
                times.append(milliseconds)
    return served, local


def _time(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return 1000 * (perf_counter() - started)
