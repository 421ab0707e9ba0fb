"""One malformed request, which can be kept in a file and sent again."""

import json
from pathlib import Path
from typing import NamedTuple


class Request(NamedTuple):
    """What is sent, and to which door.

    `content` is a whole gRPC message, the bytes of an HTTP request, a message on the live
    connection, or a picture file.
    """

    kind: str
    door: str  # "grpc" and "rest" of the server, "page", "picture" and "live" of the page
    content: bytes
    to: str = ""  # gRPC method, live message's type, or endpoint and file name
    is_whole: bool = True  # else the server may wait for more, so the client hangs up

    def save(self, path: Path) -> None:
        """Writes a line of JSON and then the content."""
        head = {**self._asdict(), "content": len(self.content)}
        path.write_bytes(json.dumps(head).encode() + b"\n" + self.content)

    @classmethod
    def load(cls, path: Path) -> "Request":
        """Reads what `save` has written."""
        head, _, content = path.read_bytes().partition(b"\n")
        return cls(**{**json.loads(head), "content": content})
