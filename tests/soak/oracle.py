"""The inputs of the test and each version's expected outputs for them."""

import io

import numpy as np
from PIL import Image

from serving.client import Client
from tests.bench.page_load import SIDE, frames_of

MIN_PROBABILITY = 0.9  # of the drawn digit by every version, for it to be used in the test
TOLERANCE = 1e-3  # of probabilities: other batch sizes sum in another order


class Oracle:
    """Frames of the ten digits being drawn, and the versions' predictions for them.

    Args:
        client: client of a server without faults.
        originals: versions; all versions that are served later are copies of them.
    """

    def __init__(self, client: Client, originals: list[int]):
        self.frames = [frames_of(digit) for digit in range(10)]
        self.pngs = [encode_png(frames[-1]) for frames in self.frames]
        self._original_of = {version: version for version in originals}
        self._predicted: dict[int, list[np.ndarray]] = {}  # by original and digit: [frames, 10]
        self._classified: dict[int, np.ndarray] = {}  # by original: [10, 10]
        for version in originals:
            self._predicted[version] = [_predict(client, frames, version) for frames in self.frames]
            files = {"image_bytes": np.array(self.pngs, object)}
            outputs = client.predict("classify", files, version=version)
            self._classified[version] = outputs["probabilities"]

    def add_copy(self, original: int, version: int) -> None:
        """Registers a version as a copy of an original."""
        self._original_of[version] = original

    @property
    def reliable_digits(self) -> list[int]:
        """The digits that every version predicts correctly, from a drawing and from a PNG."""
        return [
            digit
            for digit in range(10)
            if all(
                min(
                    self._predicted[version][digit][-1, digit],
                    self._classified[version][digit, digit],
                )
                > MIN_PROBABILITY
                for version in self._predicted
            )
        ]

    def matches_drawing(
        self, version: int, digit: int, frame: int, probabilities: list[float]
    ) -> bool:
        """Whether these are the version's probabilities for a frame."""
        original = self._original_of.get(version)
        return original in self._predicted and _is_close(
            self._predicted[original][digit][frame], probabilities
        )

    def matches_png(self, version: int | None, digit: int, probabilities: list[float]) -> bool:
        """Whether these are the version's probabilities, or any version's, for the digit's PNG."""
        originals = self._classified if version is None else [self._original_of.get(version)]
        return any(
            _is_close(self._classified[original][digit], probabilities) for original in originals
        )


def encode_png(frame: bytes) -> bytes:
    """Returns a PNG file of a frame, dark ink on light paper."""
    file = io.BytesIO()
    pixels = 255 - np.frombuffer(frame, np.uint8).reshape(SIDE, SIDE)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _predict(client: Client, frames: list[bytes], version: int) -> np.ndarray:
    drawings = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, SIDE, SIDE)
    outputs = client.predict(
        "sketch", {"drawings": drawings}, outputs=["probabilities"], version=version
    )
    return outputs["probabilities"]


def _is_close(expected: np.ndarray, probabilities: list[float]) -> bool:
    return np.shape(probabilities) == (10,) and bool(
        np.allclose(expected, probabilities, atol=TOLERANCE)
    )
