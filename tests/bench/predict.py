"""The overhead of serving: the same prediction over gRPC and in process."""

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import tensorflow as tf

from serving.client import Client
from tests.bench.page_load import make_drawings
from tests.questions import SIDE

WARM_UP = 30  # calls
CALLS = 300


def measure_predict(client: Client, saved_model: Path) -> tuple[list[float], list[float]]:
    """Returns milliseconds per call of `sketch`: over gRPC, and in this process.

    The calls alternate, so that changes in the machine's speed affect both alike.

    Args:
        client: client of a server that serves `saved_model`.
        saved_model: folder of the SavedModel.
    """
    drawing = np.frombuffer(make_drawings()[10], np.uint8).reshape(1, SIDE, SIDE)
    signature = tf.saved_model.load(str(saved_model)).signatures["sketch"]
    tensor = tf.constant(drawing)
    served: list[float] = []
    local: list[float] = []
    for call in range(WARM_UP + CALLS):
        for times, run in (
            (served, lambda: client.predict("sketch", {"drawings": drawing})),
            (local, lambda: {n: t.numpy() for n, t in signature(drawings=tensor).items()}),
        ):
            milliseconds = _time_ms(run)
            if call >= WARM_UP:
                times.append(milliseconds)
    return served, local


def _time_ms(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return 1000 * (perf_counter() - started)
