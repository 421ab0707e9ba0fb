"""A question from a visitor's browser: a JSON object and, for some questions, a picture."""

import asyncio
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from demo.errors import RequestError
from demo.render import Style, check_style

SIDE = 112  # pixels per side of a drawing: four for each of MNIST's 28
MAX_SIDE = 1024  # pixels per side of a picture file
FORMATS = ("PNG", "JPEG", "WEBP")
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF")  # first bytes of a file in one of the formats


class Question(dict[str, Any]):
    """The JSON object of a question, with its fields checked on access.

    All methods raise `RequestError` for a field that is missing or malformed.

    Args:
        visitor: ID of the visitor.
        fields: the JSON object.
        content: bytes of the drawing or picture file, if any.
    """

    def __init__(self, visitor: str, fields: Mapping[str, Any], content: bytes | None):
        super().__init__(fields)
        self.visitor, self._content = visitor, content or b""

    def field(self, name: str) -> Any:
        if name not in self:
            raise RequestError(f"{name} is missing")
        return self[name]

    async def read_picture(self) -> np.ndarray:
        """`picture`, with files decoded in a thread so that other visitors do not wait."""
        return await asyncio.to_thread(self.picture) if self._is_file else self.picture()

    def picture(self) -> np.ndarray:
        """uint8 [SIDE, SIDE, 1] for a drawing, whose pixels are sent as raw bytes (0 = paper,
        255 = ink); uint8 [H, W, 3] for a picture file.
        """
        if not self._is_file:
            return np.frombuffer(self._content, np.uint8).reshape(SIDE, SIDE, 1)
        try:
            with Image.open(io.BytesIO(self._content), formats=FORMATS) as picture:
                if max(picture.size) <= MAX_SIDE:
                    return np.asarray(picture.convert("RGB"))
        except Exception:  # Pillow has no common exception class for broken files
            pass
        raise RequestError(
            f"a drawing must be {SIDE}x{SIDE} bytes, and a picture a {' or '.join(FORMATS)} file "
            f"of at most {MAX_SIDE} pixels a side"
        )

    @property
    def _is_file(self) -> bool:
        return len(self._content) != SIDE * SIDE or self._content.startswith(MAGIC)

    def model(self) -> str | None:
        """Name of the model; None for the page's first."""
        name = self.field("model")
        if name is not None and not isinstance(name, str):
            raise RequestError("a model must be named, or null for the first")
        return name

    def version(self) -> int | None:
        """Version of the model; None for the newest."""
        version = self.field("version")
        if version is not None and not (type(version) is int and 0 <= version < 2**63):
            raise RequestError("a version must be a number, or null for the newest")
        return version

    def layers(self) -> tuple[int, ...]:
        """Indices of layers, sorted and without duplicates."""
        layers = self.field("layers")
        is_list = isinstance(layers, list) and all(type(index) is int for index in layers)
        if not is_list or any(not 0 <= index < 2**31 for index in layers):
            raise RequestError("layers must be a list of numbers")
        return tuple(sorted(set(layers)))

    def label(self) -> int | None:
        """Index of a class; None for the most likely one."""
        label = self.field("label")
        if label is not None and not (type(label) is int and 0 <= label < 2**31):
            raise RequestError("the label must be the number of a class, or null for the likeliest")
        return label

    def style(self) -> Style:
        return check_style(self.field("style"))

    def shown(self) -> str:
        """Which picture the question is about: `B`, `A` or their `difference`."""
        return check_style({"shown": self.field("shown")})["shown"]
