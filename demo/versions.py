"""The versions that the model server has loaded, polled while visitors draw."""

import asyncio
import time
from collections.abc import Callable

from serving.client import ServingError

SECONDS = 2.0  # between two polls
UNKNOWN_SECONDS = 0.5  # the same while answers come from an unlisted version: replicas may differ


class ServedVersions:
    """Caches the loaded versions for all visitors. Belongs to one event loop.

    Args:
        poll: returns the loaded versions, lowest first; may block, or raise `ServingError`.
    """

    def __init__(self, poll: Callable[[], list[int]]):
        self._poll = poll
        self._versions: list[int] = []
        self._polled_at = -SECONDS
        self._polling: asyncio.Task | None = None

    def forget(self) -> None:
        """Empties the cache, after a version turned out to be unloaded."""
        self._versions, self._polled_at = [], -SECONDS

    async def current(self) -> list[int]:
        """Returns the loaded versions, lowest first; waits for a poll that is due."""
        self._poll_if_older_than(SECONDS)
        if self._polling:
            await asyncio.shield(self._polling)  # others may wait for it too
        return self._versions

    async def now(self, answered: int) -> list[int]:
        """Returns the loaded versions, lowest first, if known.

        Args:
            answered: the version of an answer. If it is not listed, the result waits for a poll
                that is due.
        """
        is_listed = answered in self._versions
        self._poll_if_older_than(SECONDS if is_listed else UNKNOWN_SECONDS)
        if self._polling and not is_listed:
            await asyncio.shield(self._polling)
        return self._versions

    def _poll_if_older_than(self, seconds: float) -> None:
        if time.monotonic() > self._polled_at + seconds and not self._polling:
            self._polling = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            self._versions = await asyncio.to_thread(self._poll)
        except ServingError:
            pass  # the next prediction reports it
        finally:
            self._polled_at = time.monotonic()
            self._polling = None
