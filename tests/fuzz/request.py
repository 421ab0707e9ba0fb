"""One malformed request, which can be saved and replayed."""

import json
from pathlib import Path
from typing import NamedTuple


class Request(NamedTuple):
    """A request and the interface it is sent to.

    `content` is a complete gRPC message, the bytes of an HTTP request, a message on the live
    connection, or a picture file.
    """

    kind: str
    interface: str  # "grpc" and "rest" of the server; "page", "picture" and "live" of the page
    content: bytes
    target: str = ""  # gRPC method, WebSocket message type, or endpoint and file name
    is_complete: bool = True  # if not, the server may wait for more, so the client hangs up

    def save(self, path: Path) -> None:
        """Writes a line of JSON, then the content."""
        head = {**self._asdict(), "content": len(self.content)}
        path.write_bytes(json.dumps(head).encode() + b"\n" + self.content)

    @classmethod
    def load(cls, path: Path) -> "Request":
        """Reads a file written by `save`."""
        head, _, content = path.read_bytes().partition(b"\n")
        return cls(**{**json.loads(head), "content": content})
