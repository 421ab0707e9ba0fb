"""Which versions the model server has: asked now and then, and told with every answer."""

import asyncio
import time
from collections.abc import Callable

from serving.client import ServingError

SECONDS = 2.0  # that an answer of the server is good for
UNKNOWN_SECONDS = 0.5  # the same where a version has answered that it lacks: servers differ


class ServedVersions:
    """Remembers the versions for a moment, for all visitors together.

    Args:
        ask: tells the versions that the server has now, lowest first.
    """

    def __init__(self, ask: Callable[[], list[int]]):
        self._ask = ask
        self._known: list[int] = []
        self._asked_at = -SECONDS
        self._asking: asyncio.Task | None = None

    def forget(self) -> None:
        """Has the versions asked for anew: one of them has turned out to be gone."""
        self._known, self._asked_at = [], -SECONDS

    async def now(self, answered: int) -> list[int]:
        """The versions, lowest first, as far as they are known.

        Args:
            answered: the version that an answer came from; one that is not known is new, and
                worth waiting for.
        """
        is_known = answered in self._known
        is_due = time.monotonic() > self._asked_at + (SECONDS if is_known else UNKNOWN_SECONDS)
        if is_due and not self._asking:
            self._asking = asyncio.create_task(self._refresh())
        if self._asking and not is_known:
            await asyncio.shield(self._asking)  # others may wait for it too
        return self._known

    async def _refresh(self) -> None:
        try:
            self._known = await asyncio.to_thread(self._ask)
        except ServingError:
            pass  # the live loop says what is the matter
        finally:
            self._asked_at = time.monotonic()
            self._asking = None
