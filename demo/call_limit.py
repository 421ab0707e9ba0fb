"""A limit on blocking calls to the model server, so that none keeps all threads busy."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from demo.batcher import QUEUE_SECONDS
from serving.client import ServerBusy

MAX_CALLS = 4  # concurrent calls; predictions have their own limit in demo.batcher

T = TypeVar("T")


class CallLimit:
    """Runs blocking calls in threads, at most `MAX_CALLS` at a time. Belongs to one event loop."""

    def __init__(self):
        self._threads = ThreadPoolExecutor(MAX_CALLS, "answers")
        self._slots = asyncio.Semaphore(MAX_CALLS)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Calls a function in a thread and returns its result.

        Raises:
            ServerBusy: no slot became free within `QUEUE_SECONDS`.
        """
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise ServerBusy("too many questions wait for the model server") from None
        loop = asyncio.get_running_loop()
        call = self._threads.submit(function, *args)
        # A call whose caller was cancelled still runs, and holds its slot until it ends.
        call.add_done_callback(lambda _: loop.call_soon_threadsafe(self._slots.release))
        return await asyncio.wrap_future(call)
