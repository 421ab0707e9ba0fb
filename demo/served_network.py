"""A network as all visitors share it: one batcher and one list of versions."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from demo.batcher import Batcher
from demo.network import Inference, Network
from demo.versions import ServedVersions
from serving.client import ModelNotLoaded


class ServedNetwork:
    """Batches the pictures of all visitors. Belongs to one event loop."""

    def __init__(self, network: Network):
        self.network, self.batcher = network, Batcher(network)
        self.versions = ServedVersions(partial(network.client.versions, timeout=1))

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
