"""What is drawn, and what each version makes of it when nothing disturbs it."""

import io

import numpy as np
from PIL import Image

from serving.client import Client
from tests.bench.pens import SIDE, frames_of

SURE = 0.9  # the probability of digits that every version reads rightly
CLOSE = 1e-3  # of probabilities: a batch is added up in another order


class Truth:
    """Frames of ten digits being drawn, and how they are read.

    Args:
        client: of a server that is left alone while this is made.
        originals: the versions of which all that are served later are copies.
    """

    def __init__(self, client: Client, originals: list[int]):
        self.frames = [frames_of(digit) for digit in range(10)]
        self.pngs = [as_png(frames[-1]) for frames in self.frames]
        self._original_of = {version: version for version in originals}
        self._read: dict[int, list[np.ndarray]] = {}  # by original and digit: [frames, 10]
        self._classified: dict[int, np.ndarray] = {}  # by original: [10, 10]
        for version in originals:
            self._read[version] = [_read(client, frames, version) for frames in self.frames]
            files = {"image_bytes": np.array(self.pngs, object)}
            outputs = client.predict("classify", files, version=version)
            self._classified[version] = outputs["probabilities"]

    def copy(self, original: int, version: int) -> None:
        """From now on there may be a version that is a copy of another."""
        self._original_of[version] = original

    @property
    def sure(self) -> list[int]:
        """The digits that every version reads rightly, and surely, drawn or as a picture."""
        return [
            digit
            for digit in range(10)
            if all(
                min(self._read[version][digit][-1, digit], self._classified[version][digit, digit])
                > SURE
                for version in self._read
            )
        ]

    def is_read(self, version: int, digit: int, frame: int, probabilities: list[float]) -> bool:
        """Whether a version reads a frame so."""
        original = self._original_of.get(version)
        return original in self._read and _is_close(
            self._read[original][digit][frame], probabilities
        )

    def is_classified(self, version: int | None, digit: int, probabilities: list[float]) -> bool:
        """Whether a version, or any that there is, reads the digit's picture so."""
        originals = self._classified if version is None else [self._original_of.get(version)]
        return any(_is_close(self._classified[one][digit], probabilities) for one in originals)


def as_png(frame: bytes) -> bytes:
    """A file of a frame, dark on light."""
    file = io.BytesIO()
    pixels = 255 - np.frombuffer(frame, np.uint8).reshape(SIDE, SIDE)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _read(client: Client, frames: list[bytes], version: int) -> np.ndarray:
    drawings = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, SIDE, SIDE)
    outputs = client.predict(
        "sketch", {"drawings": drawings}, outputs=["probabilities"], version=version
    )
    return outputs["probabilities"]


def _is_close(wanted: np.ndarray, probabilities: list[float]) -> bool:
    return np.shape(probabilities) == (10,) and bool(np.allclose(wanted, probabilities, atol=CLOSE))
