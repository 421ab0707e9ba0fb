"""Drawings that wait at the same time are read together: one Predict costs a fraction of many."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from serving.client import Client, Prediction, ServerBusy

MOST_TOGETHER = 8  # drawings; more would save little and have each of them wait for all
AT_ONCE = 2  # Predicts under way: while one's answers are painted, the server works on the other
TURN_SECONDS = 1.5  # that a drawing waits to be sent; with the call itself less than a page waits


@dataclass(eq=False)
class _Waiting:
    drawing: np.ndarray  # uint8 [H, W]
    version: int | None
    answer: "asyncio.Future[Prediction]"


class Reader:
    """Has drawings of one size read, first come, first served.

    Belongs to one event loop. A drawing whose caller is cancelled while it waits is not read.

    Args:
        client: of the model server.
        names: of the outputs of `sketch` that are wanted.
    """

    def __init__(self, client: Client, names: Sequence[str]):
        self._client, self._names = client, names
        self._waiting: deque[_Waiting] = deque()
        self._threads = ThreadPoolExecutor(AT_ONCE, "reader")
        self._under_way: set[asyncio.Task] = set()

    @property
    def waiting(self) -> int:
        """How many drawings wait for their turn."""
        return len(self._waiting)

    async def read(self, drawing: np.ndarray, version: int | None = None) -> Prediction:
        """The outputs for one drawing, uint8 [H, W], by a version, the newest if None.

        Raises:
            ServingError: the server did not answer, or refused the drawing; ServerBusy if the
                drawing's turn did not come in time.
        """
        loop = asyncio.get_running_loop()
        one = _Waiting(drawing, version, loop.create_future())
        self._waiting.append(one)
        self._start()
        patience = loop.call_later(TURN_SECONDS, self._give_up, one)
        try:
            return await one.answer
        finally:
            patience.cancel()

    def _give_up(self, one: _Waiting) -> None:
        if one in self._waiting:
            self._waiting.remove(one)
            one.answer.set_exception(
                ServerBusy(
                    f"The model server at {self._client.target} has not come to this drawing "
                    f"within {TURN_SECONDS:g} s; try again later."
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
        """The next drawings, all for the same version; others keep their places."""
        batch: list[_Waiting] = []
        others: list[_Waiting] = []
        while self._waiting and len(batch) < MOST_TOGETHER:
            one = self._waiting.popleft()
            if one.answer.done():
                continue  # nobody waits for it any more
            is_alike = not batch or one.version == batch[0].version
            (batch if is_alike else others).append(one)
        self._waiting.extendleft(reversed(others))
        return batch

    async def _read_together(self, batch: list[_Waiting]) -> None:
        drawings = np.stack([one.drawing for one in batch])  # [N, H, W]
        predict = partial(
            self._client.predict,
            "sketch",
            {"drawings": drawings},
            outputs=self._names,
            version=batch[0].version,
        )
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(self._threads, predict)
            answers = [_pick(outputs, index) for index in range(len(batch))]
        except Exception as error:  # whatever it is, those who wait hear of it
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one, answer in zip(batch, answers):
            if not one.answer.done():
                one.answer.set_result(answer)


def _pick(outputs: Prediction, index: int) -> Prediction:
    """One drawing's outputs, in memory of their own: whoever keeps them keeps no others."""
    one = Prediction({name: array[index].copy() for name, array in outputs.items()})
    one.version = outputs.version
    return one
