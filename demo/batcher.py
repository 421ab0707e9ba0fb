"""Batches pictures that wait at the same time: one Predict serves all of them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from demo.network import Inference, Network
from serving.client import ServerBusy

MAX_BATCH = 8  # pictures; larger batches save little and delay every picture in them
MAX_PREDICTS = 2  # in flight: the server computes one while the answers of the other are rendered
QUEUE_SECONDS = 1.5  # maximum wait in the queue; with the call, less than the browser's timeout


@dataclass(eq=False)
class _Waiting:
    """A picture in the queue."""

    picture: np.ndarray  # uint8 [H, W, 1 or 3]
    layers: tuple[int, ...]
    version: int | None
    inference: "asyncio.Future[Inference]"

    @property
    def batch_key(self) -> tuple:
        """Equal for pictures that fit into one batch."""
        return self.version, self.layers, self.picture.shape


class Batcher:
    """Runs pictures through a network in batches, first come, first served.

    Belongs to one event loop. A picture whose caller is cancelled in the queue is skipped.
    """

    def __init__(self, network: Network):
        self._network, self._max_batch = network, 1
        self._queue: deque[_Waiting] = deque()
        self._threads = ThreadPoolExecutor(MAX_PREDICTS, "batcher")
        self._predicts: set[asyncio.Task] = set()

    @property
    def waiting(self) -> int:
        """Number of pictures in the queue."""
        return len(self._queue)

    async def infer(
        self, picture: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> Inference:
        """Computes some layers of a picture.

        Args:
            picture: uint8 [H, W, 1 or 3].
            layers: indices of the layers.
            version: of the model; None for the newest.

        Raises:
            ServingError: the server did not answer, or refused the picture; `ServerBusy` after
                `QUEUE_SECONDS` in the queue.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(picture, tuple(layers), version, loop.create_future())
        self._queue.append(waiting)
        self._start()
        timer = loop.call_later(QUEUE_SECONDS, self._time_out, waiting)
        try:
            return await waiting.inference
        finally:
            timer.cancel()

    def _time_out(self, waiting: _Waiting) -> None:
        if waiting in self._queue:
            self._queue.remove(waiting)
            waiting.inference.set_exception(
                ServerBusy(
                    f"The model server at {self._network.client.target} had no time for this "
                    f"picture within {QUEUE_SECONDS:g} s; try again later."
                )
            )

    def _start(self) -> None:
        while len(self._predicts) < MAX_PREDICTS and (batch := self._next_batch()):
            task = asyncio.create_task(self._predict(batch))
            self._predicts.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task) -> None:
        self._predicts.discard(task)
        self._start()

    def _next_batch(self) -> list[_Waiting]:
        """Takes the next pictures with one batch key; the others stay in the queue in order."""
        batch: list[_Waiting] = []
        others: list[_Waiting] = []
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue.popleft()
            if waiting.inference.done():
                continue  # its caller was cancelled
            fits = not batch or waiting.batch_key == batch[0].batch_key
            (batch if fits else others).append(waiting)
        self._queue.extendleft(reversed(others))
        return batch

    async def _predict(self, batch: list[_Waiting]) -> None:
        pictures = np.stack([waiting.picture for waiting in batch])  # [N, H, W, 1 or 3]
        infer = partial(self._network.infer, pictures, batch[0].layers, batch[0].version)
        try:
            inferences = await asyncio.get_running_loop().run_in_executor(self._threads, infer)
        except Exception as error:  # of any kind: every caller gets it
            for waiting in batch:
                if not waiting.inference.done():
                    waiting.inference.set_exception(error)
            return
        self._max_batch = min(MAX_BATCH, inferences[0].description.max_batch_size)
        for waiting, inference in zip(batch, inferences):
            if not waiting.inference.done():
                waiting.inference.set_result(inference)
