"""A network as all visitors share it: one batcher and one list of versions."""

import asyncio
from collections.abc import Sequence
from functools import partial

import numpy as np

from demo.batcher import Batcher
from demo.description import Description
from demo.network import Inference, Network
from demo.training_record import TrainingRecord
from demo.versions import ServedVersions
from serving.client import ModelNotLoaded


class ServedNetwork:
    """Batches the pictures of all visitors. Belongs to one event loop."""

    def __init__(self, network: Network):
        self.network, self.batcher = network, Batcher(network)
        self.versions = ServedVersions(partial(network.client.versions, timeout=1))
        self._newest: tuple[int, asyncio.Future[Description]] | None = None

    async def training(self, newest: int) -> TrainingRecord:
        """Returns how the newest version was trained; one call serves all visitors.

        Raises:
            ServingError: the server did not answer, or no longer has that version.
        """
        if self._newest is None or self._newest[0] != newest:
            call = asyncio.to_thread(self.network.description, newest)
            self._newest = newest, asyncio.ensure_future(call)
        try:
            return (await asyncio.shield(self._newest[1])).trained
        except Exception:  # the next question tries again
            self._newest = None
            raise

    async def infer(
        self, picture: np.ndarray, layers: Sequence[int], version: int | None
    ) -> Inference:
        """Runs one version, or the newest if the server no longer has that one.

        Arguments and errors are those of `Batcher.infer`.
        """
        try:
            return await self.batcher.infer(picture, layers, version)
        except ModelNotLoaded:
            if version is None:
                raise
            self.versions.forget()
            return await self.batcher.infer(picture, layers)
