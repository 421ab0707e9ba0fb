"""The models that a page shows, found out when they are first asked for."""

import threading
from collections.abc import Mapping

from demo.metadata_network import DEFAULT, MetadataNetwork, explain_unusable, usable
from demo.network import ExposedNetwork, Network
from serving.client import Client, RequestRefused

DESCRIBE = "describe"
SEPARATOR = ":"  # between a model's name and a signature's


class Networks:
    """Tells models that describe themselves from all others.

    Args:
        clients: by name of the model; the first is shown first.
        pixels: what models that do not describe themselves take for black and white.
    """

    def __init__(self, clients: Mapping[str, Client], pixels: tuple[float, float] | None = None):
        self._clients, self._pixels = dict(clients), pixels
        self._found: dict[str, Network] = {}
        self._finding = threading.Lock()

    @property
    def first(self) -> str:
        return next(iter(self._clients))

    @property
    def names(self) -> list[str]:
        """That can be chosen from, as far as they are known."""
        known = (self._found.get(name) for name in self._clients)
        return [
            choice
            for name, network in zip(self._clients, known, strict=True)
            for choice in _choices(name, network)
        ]

    def known(self, name: str) -> Network | None:
        """The model of that name if it has been found before."""
        return self._found.get(name)

    def find(self, name: str) -> Network:
        """The model of that name, with a signature's behind it for one that is not described.

        Raises:
            KeyError: the page shows no such model.
            ServingError: the server does not answer, or has no such model.
        """
        with self._finding:
            if name not in self._found:
                self._found[name] = self._make(name)
            return self._found[name]

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
                if DESCRIBE in signatures:  # so it was refused for another reason
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
