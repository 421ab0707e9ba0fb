"""A servable that does not describe itself, shown from its metadata and its outputs.

It needs a signature with one input for pictures: float or uint8 of rank 3 or 4, or picture files.
Outputs of rank 4 become galleries, and the first one of rank 2 the scores. Decompositions
and explanations need a description, so there are none.
"""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from demo.description import Description, Input, Layer, make_description
from demo.network import Explanation, Inference, Parameters
from model.exposed.thumbnail import thumbnail_form
from serving.client import Client, Prediction, RequestRefused, Signature, TensorInfo

DEFAULT = "serving_default"
SIDE = 224  # pixels per side, for an input of any size
MAX_DRAWING_SIDE = 64  # pixels; a larger input with one channel gets pictures, not drawings
DTYPES = {"float": np.float32, "half": np.float16, "double": np.float64, "uint8": np.uint8}


def usable(signatures: dict[str, Signature]) -> list[str]:
    """Returns the names of the signatures that take one picture, the default one first."""
    names = [name for name, signature in signatures.items() if _takes_picture(signature)]
    return sorted(names, key=lambda name: (name != DEFAULT, name))


def explain_unusable(model: str, signatures: dict[str, Signature]) -> str:
    """Explains why a servable cannot be shown: none of its signatures takes one picture."""
    found = "; ".join(
        f"{name} takes {', '.join(f'{key} {_format(info)}' for key, info in s.inputs.items())}"
        for name, s in signatures.items()
    )
    return (
        f"{model} has no signature that takes one picture: {found}. Expected is one input of "
        "numbers of rank 3 or 4, with 1 or 3 channels last, or of picture files."
    )


class MetadataNetwork:
    """One signature of a servable without a description.

    Args:
        client: of the servable.
        signature: name of the signature.
        pixels: input values for black and white; by default 0 and 1 for floats, 0 and 255 for
            bytes.

    Raises:
        ServingError: the signature does not exist, or takes no picture.
    """

    def __init__(
        self,
        client: Client,
        signature: str = DEFAULT,
        pixels: tuple[float, float] | None = None,
    ):
        self.client, self._signature = client, signature
        signatures = client.signatures()
        self.choices = usable(signatures)
        if not self.choices:
            raise RequestRefused(explain_unusable(client.model, signatures))
        if signature not in self.choices:
            raise RequestRefused(
                f"{client.model} has no signature {signature} that takes one picture; those that "
                f"do are {', '.join(self.choices)}."
            )
        [(self._input_name, self._tensor)] = signatures[signature].inputs.items()
        height, width, channels = _size_of(self._tensor)
        is_drawing = channels == 1 and height == width <= MAX_DRAWING_SIDE
        self._input = Input("drawing" if is_drawing else "picture", height, width, channels)
        self._pixels = pixels or ((0, 255) if self._tensor.dtype in ("uint8", "string") else (0, 1))
        self._described: dict[int, Description] = {}

    @property
    def last(self) -> Description:
        return next(reversed(self._described.values()), None) or self.description()

    def description(self, version: int | None = None) -> Description:
        """Describes the outputs for a blank picture: metadata may lack their shapes."""
        if version not in self._described:
            channels = 1 if self._input.kind == "drawing" else 3
            blank = np.zeros((1, self._input.height, self._input.width, channels), np.uint8)
            response = self._predict(blank, version)
            self._described[response.version] = self._describe(response)
            return self._described[response.version]
        return self._described[version]

    def _describe(self, response: Prediction) -> Description:
        size = self._input
        layers = [_layer("input", "input", (size.height, size.width, size.channels))]
        layers += [
            _layer(name, "other", array.shape[1:])
            for name, array in sorted(response.items())
            if _is_maps(array)
        ]
        scores = _names_of_scores(response)
        fields = {
            "title": f"{self.client.model}, {self._signature}",
            "input": size._asdict(),
            "layers": layers,
            "max_batch_size": 1,
            "scores": None,
        }
        if scores:
            classes = response[scores[0]].shape[1]
            fields["scores"] = {
                "name": scores[0],
                "classes": classes,
                "labels": [],
                "output_activation": "linear",
            }
        return make_description(fields, self.client.model, response.version, frozenset())

    def infer(
        self, pictures: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> list[Inference]:
        response = self._predict(pictures, version)
        description = self.description(response.version)
        shown = [description.find_layer(index) for index in sorted(set(layers))]
        return [
            self._unpack(picture, row, response, description, shown)
            for row, picture in enumerate(pictures)
        ]

    def _unpack(
        self,
        picture: np.ndarray,
        row: int,
        response: Prediction,
        description: Description,
        layers: list[Layer],
    ) -> Inference:
        """Reads one picture's row of a response."""
        inference = Inference(picture, description, {}, {})
        for layer in layers:
            maps = self._activations(picture, row, response, layer)[:, :, list(layer.maps)]
            inference.maps[layer.index] = _downsample(maps, layer)
            ends = maps.min(axis=(0, 1)), maps.max(axis=(0, 1))
            inference.ranges[layer.index] = np.stack(ends, axis=1)
        if description.scores:
            name, *_ = _names_of_scores(response)
            scores = response[name][row].astype(np.float32)
            sums_to_1 = scores.min() >= 0 and abs(scores.sum() - 1) < 1e-3
            inference.scores, inference.probabilities = scores, scores if sums_to_1 else None
        return inference

    def _activations(
        self, picture: np.ndarray, row: int, response: Prediction, layer: Layer
    ) -> np.ndarray:
        """Returns all maps of a layer: float32 [height, width, maps]."""
        if layer.index == 0:
            return self._resize(picture).reshape(*layer.shape).astype(np.float32)
        return np.nan_to_num(response[layer.name][row].astype(np.float32))

    def activations(self, picture: np.ndarray, layer: Layer, version: int) -> np.ndarray:
        response = self._predict(picture[None], version)
        return self._activations(picture, 0, response, layer).reshape(layer.shape)

    def parameters(self, layer: Layer, map: int, version: int) -> Parameters:
        raise RequestRefused(f"{self.client.model} has no signature that returns parameters.")

    def explain(self, picture: np.ndarray, label: int | None, version: int | None) -> Explanation:
        raise RequestRefused(f"{self.client.model} has no signature that explains.")

    def _predict(self, pictures: np.ndarray, version: int | None) -> Prediction:
        prepared = [self._prepare(picture) for picture in pictures]
        if self._tensor.dtype == "string":
            inputs = np.array(prepared, object)
        else:
            inputs = np.stack(prepared)
        return self.client.predict(self._signature, {self._input_name: inputs}, version=version)

    def _prepare(self, picture: np.ndarray) -> np.ndarray | bytes:
        """Converts a picture, uint8 [H, W, 1 or 3], to the signature's input."""
        pixels = self._resize(picture)
        if self._tensor.dtype == "string":
            file = io.BytesIO()
            Image.fromarray(pixels.squeeze()).save(file, "PNG")
            return file.getvalue()
        black, white = self._pixels
        scaled = black + pixels / np.float32(255) * (white - black)
        shape = [fixed or actual for fixed, actual in zip(self._tensor.shape[1:], pixels.shape)]
        return scaled.reshape(shape).astype(DTYPES[self._tensor.dtype])

    def _resize(self, picture: np.ndarray) -> np.ndarray:
        """Crops a picture's centre to the input's size: uint8 [height, width, channels]."""
        mode = "L" if self._input.channels == 1 else "RGB"
        size = self._input.width, self._input.height
        image = Image.fromarray(picture.squeeze()).convert(mode)
        return np.asarray(ImageOps.fit(image, size)).reshape(*size[::-1], -1)


def _takes_picture(signature: Signature) -> bool:
    if len(signature.inputs) != 1:
        return False
    [info] = signature.inputs.values()
    if info.shape is None:
        return False
    if info.dtype == "string":
        return len(info.shape) == 1
    is_image = len(info.shape) == 3 or (len(info.shape) == 4 and info.shape[3] in (1, 3, None))
    return info.dtype in DTYPES and is_image


def _size_of(info: TensorInfo) -> tuple[int, int, int]:
    """Returns the height, width and channels that pictures are resized to."""
    if info.dtype == "string":
        return SIDE, SIDE, 3
    _, height, width, channels = (*info.shape, 1)[:4]
    return height or SIDE, width or SIDE, channels or 3


def _is_maps(array: np.ndarray) -> bool:
    return array.ndim == 4 and array.dtype.kind in "fiu" and array.size > 0


def _names_of_scores(response: Prediction) -> list[str]:
    return [
        name
        for name, array in sorted(response.items())
        if array.ndim == 2 and array.dtype.kind == "f" and array.size > 0
    ]


def _layer(name: str, kind: str, shape: tuple[int, ...]) -> dict:
    return {
        "name": name,
        "kind": kind,
        "class": "Output",
        "shape": shape,
        "from": [],
        "is_exact": False,
        "activation": "other",
        "is_signed": True,
        "thumbnail": thumbnail_form(list(shape))._asdict(),
    }


def _downsample(maps: np.ndarray, layer: Layer) -> np.ndarray:
    """Averages blocks of units; blocks at the border may be smaller."""
    if layer.blocks == (1, 1):
        return maps
    for axis, block in enumerate(layer.blocks):
        starts = np.arange(0, maps.shape[axis], block)
        sums = np.add.reduceat(maps, starts, axis=axis)
        counts = np.diff(np.append(starts, maps.shape[axis]))
        maps = sums / np.expand_dims(counts, [1 - axis, 2] if axis else [1, 2])
    return maps.astype(np.float32)


def _format(info: TensorInfo) -> str:
    if info.shape is None:
        return f"{info.dtype} of any rank"
    return f"{info.dtype} [{', '.join('any' if s is None else str(s) for s in info.shape)}]"
