"""The models of a page, inspected on first use."""

import threading
from collections.abc import Mapping

from demo.metadata_network import DEFAULT, MetadataNetwork, explain_unusable, usable
from demo.network import ExposedNetwork, Network
from serving.client import Client, RequestRefused

DESCRIBE = "describe"
SEPARATOR = ":"  # between the names of a model and a signature


class Networks:
    """Chooses how each model is read: by its own description, or else by its metadata.

    Args:
        clients: by model name; the page shows the first of them first.
        pixels: input values for black and white, for models without a description.
    """

    def __init__(self, clients: Mapping[str, Client], pixels: tuple[float, float] | None = None):
        self._clients, self._pixels = dict(clients), pixels
        self._networks: dict[str, Network] = {}
        self._lock = threading.Lock()

    @property
    def first(self) -> str:
        return next(iter(self._clients))

    @property
    def names(self) -> list[str]:
        """Names that a visitor can choose from; other signatures are listed once known."""
        return [
            choice for name in self._clients for choice in _choices(name, self._networks.get(name))
        ]

    def known(self, name: str) -> Network | None:
        """Returns the network if `find` has returned it before."""
        return self._networks.get(name)

    def find(self, name: str) -> Network:
        """Returns a network.

        Args:
            name: of the model; for one without a description, `MODEL:SIGNATURE` chooses another
                than its default signature.

        Raises:
            KeyError: the page does not show the model.
            ServingError: the server does not answer, or does not have the model.
        """
        with self._lock:
            if name not in self._networks:
                self._networks[name] = self._make(name)
            return self._networks[name]

    def _make(self, name: str) -> Network:
        model, _, signature = name.partition(SEPARATOR)
        client = self._clients[model]
        if not signature:
            network = ExposedNetwork(client)
            try:
                network.description()
                return network
            except RequestRefused:
                signatures = client.signatures()
                if DESCRIBE in signatures:  # the refusal had another reason
                    raise
                choices = usable(signatures)
                if not choices:
                    raise RequestRefused(explain_unusable(model, signatures)) from None
                signature = choices[0]
        return MetadataNetwork(client, signature or DEFAULT, self._pixels)


def _choices(name: str, network: Network | None) -> list[str]:
    if not isinstance(network, MetadataNetwork) or len(network.choices) < 2:
        return [name]
    return [name, *(f"{name}{SEPARATOR}{signature}" for signature in network.choices[1:])]
