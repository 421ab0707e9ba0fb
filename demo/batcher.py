"""Pictures that wait at the same time are read together: one Predict costs a fraction of many."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from demo.network import Inference, Network
from serving.client import ServerBusy

MAX_BATCH = 8  # pictures; more would save little and have each of them wait for all
AT_ONCE = 2  # Predicts under way: while one's answers are painted, the server works on the other
QUEUE_SECONDS = 1.5  # that a picture waits to be sent; with the call itself less than a page waits


@dataclass(eq=False)
class _Waiting:
    picture: np.ndarray  # uint8 [H, W, 1 or 3]
    layers: tuple[int, ...]
    version: int | None
    answer: "asyncio.Future[Inference]"

    @property
    def kind(self) -> tuple:
        """Those of one kind can be read together."""
        return self.version, self.layers, self.picture.shape


class Batcher:
    """Has pictures read, first come, first served.

    Belongs to one event loop. A picture whose caller is cancelled while it waits is not read.

    Args:
        network: that reads them.
    """

    def __init__(self, network: Network):
        self._network, self._most_together = network, 1
        self._waiting: deque[_Waiting] = deque()
        self._threads = ThreadPoolExecutor(AT_ONCE, "reader")
        self._under_way: set[asyncio.Task] = set()

    @property
    def waiting(self) -> int:
        """How many pictures wait for their turn."""
        return len(self._waiting)

    async def read(
        self, picture: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> Inference:
        """Some layers of one picture, uint8 [H, W, 1 or 3], by a version, the newest if None.

        Raises:
            ServingError: the server did not answer, or refused the picture; ServerBusy if the
                picture's turn did not come in time.
        """
        loop = asyncio.get_running_loop()
        one = _Waiting(picture, tuple(layers), version, loop.create_future())
        self._waiting.append(one)
        self._start()
        patience = loop.call_later(QUEUE_SECONDS, self._give_up, one)
        try:
            return await one.answer
        finally:
            patience.cancel()

    def _give_up(self, one: _Waiting) -> None:
        if one in self._waiting:
            self._waiting.remove(one)
            one.answer.set_exception(
                ServerBusy(
                    f"The model server at {self._network.client.target} has not come to this "
                    f"picture within {QUEUE_SECONDS:g} s; try again later."
                )
            )

    def _start(self) -> None:
        while len(self._under_way) < AT_ONCE and (batch := self._take()):
            task = asyncio.create_task(self._read_together(batch))
            self._under_way.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task) -> None:
        self._under_way.discard(task)
        self._start()

    def _take(self) -> list[_Waiting]:
        """The next pictures, all of one kind; others keep their places."""
        batch: list[_Waiting] = []
        others: list[_Waiting] = []
        while self._waiting and len(batch) < self._most_together:
            one = self._waiting.popleft()
            if one.answer.done():
                continue  # nobody waits for it any more
            is_alike = not batch or one.kind == batch[0].kind
            (batch if is_alike else others).append(one)
        self._waiting.extendleft(reversed(others))
        return batch

    async def _read_together(self, batch: list[_Waiting]) -> None:
        pictures = np.stack([one.picture for one in batch])  # [N, H, W, 1 or 3]
        infer = partial(self._network.infer, pictures, batch[0].layers, batch[0].version)
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._threads, infer)
        except Exception as error:  # whatever it is, those who wait hear of it
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        self._most_together = min(MAX_BATCH, answers[0].description.max_batch_size)
        for one, answer in zip(batch, answers):
            if not one.answer.done():
                one.answer.set_result(answer)
