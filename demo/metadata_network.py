"""A servable that does not describe itself, shown by what its metadata tells.

One image-like input (float or uint8 of rank 3 or 4, or picture files), outputs of rank 4 as
galleries, one of rank 2 as scores. What nobody tells is not shown: no arithmetic, no reasons.
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
SIDE = 224  # pixels of an input that is of any size
MAX_DRAWN_SIDE = 64  # pixels a side of an input of one channel that is drawn
NUMBERS = ("float", "half", "double", "uint8")
DTYPES = {"float": np.float32, "half": np.float16, "double": np.float64, "uint8": np.uint8}


def usable(signatures: dict[str, Signature]) -> list[str]:
    """Those that take one picture, the default one first."""
    names = [name for name, one in signatures.items() if _find_input(one)]
    return sorted(names, key=lambda name: (name != DEFAULT, name))


def explain_unusable(model: str, signatures: dict[str, Signature]) -> str:
    """A sentence about a servable that takes no picture."""
    told = "; ".join(
        f"{name} takes {', '.join(f'{key} {_written(info)}' for key, info in one.inputs.items())}"
        for name, one in signatures.items()
    )
    return (
        f"{model} has no signature that takes one picture: {told}. Expected is one input of "
        "numbers of rank 3 or 4, with 1 or 3 channels last, or of picture files."
    )


class MetadataNetwork:
    """One signature of such a servable.

    Args:
        client: of its server.
        signature: the name.
        pixels: what it takes for black and white; 0 and 1 of floats, 0 and 255 of bytes if None.

    Raises:
        ServingError: it is not there, or takes no picture.
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
        [(self._input, self._info)] = signatures[signature].inputs.items()
        height, width, channels = _size_of(self._info)
        is_drawn = channels == 1 and height == width <= MAX_DRAWN_SIDE
        self._taken = Input("drawing" if is_drawn else "picture", height, width, channels)
        self._pixels = pixels or ((0, 255) if self._info.dtype in ("uint8", "string") else (0, 1))
        self._described: dict[int, Description] = {}

    @property
    def last(self) -> Description:
        return next(reversed(self._described.values()), None) or self.description()

    def description(self, version: int | None = None) -> Description:
        """Found out by one blank picture: metadata need not tell shapes."""
        if version not in self._described:
            channels = 1 if self._taken.kind == "drawing" else 3
            blank = np.zeros((1, self._taken.height, self._taken.width, channels), np.uint8)
            answer = self._predict(blank, version)
            self._described[answer.version] = self._describe(answer)
            return self._described[answer.version]
        return self._described[version]

    def _describe(self, answer: Prediction) -> Description:
        taken = self._taken
        layers = [_layer("input", "input", (taken.height, taken.width, taken.channels))]
        layers += [
            _layer(name, "other", array.shape[1:])
            for name, array in sorted(answer.items())
            if _is_maps(array)
        ]
        scores = _names_of_scores(answer)
        fields = {
            "title": f"{self.client.model}, {self._signature}",
            "input": taken._asdict(),
            "layers": layers,
            "max_batch_size": 1,
            "scores": None,
        }
        if scores:
            classes = answer[scores[0]].shape[1]
            fields["scores"] = {
                "name": scores[0],
                "classes": classes,
                "labels": [],
                "output_activation": "linear",
            }
        return make_description(fields, self.client.model, answer.version, frozenset())

    def infer(
        self, pictures: np.ndarray, layers: Sequence[int], version: int | None = None
    ) -> list[Inference]:
        answer = self._predict(pictures, version)
        description = self.description(answer.version)
        shown = [description.find_layer(index) for index in sorted(set(layers))]
        return [
            self._seen(picture, row, answer, description, shown)
            for row, picture in enumerate(pictures)
        ]

    def _seen(
        self,
        picture: np.ndarray,
        row: int,
        answer: Prediction,
        description: Description,
        layers: list[Layer],
    ) -> Inference:
        seen = Inference(picture, description, {}, {})
        for layer in layers:
            shown = self._pick(picture, row, answer, layer)[:, :, list(layer.maps)]
            seen.maps[layer.index] = _shrink(shown, layer)
            ends = shown.min(axis=(0, 1)), shown.max(axis=(0, 1))
            seen.ranges[layer.index] = np.stack(ends, axis=1)
        if description.scores:
            name, *_ = _names_of_scores(answer)
            seen.scores = answer[name][row].astype(np.float32)
            is_sum = seen.scores.min() >= 0 and abs(seen.scores.sum() - 1) < 1e-3
            seen.probabilities = seen.scores if is_sum else None
        return seen

    def _pick(self, picture: np.ndarray, row: int, answer: Prediction, layer: Layer) -> np.ndarray:
        """float32 [height, width, maps]"""
        if layer.index == 0:
            return self._resize(picture).reshape(*layer.shape).astype(np.float32)
        return np.nan_to_num(answer[layer.name][row].astype(np.float32))

    def activations(self, picture: np.ndarray, layer: Layer, version: int) -> np.ndarray:
        answer = self._predict(picture[None], version)
        return self._pick(picture, 0, answer, layer).reshape(layer.shape)

    def parameters(self, layer: Layer, map: int, version: int) -> Parameters:
        raise RequestRefused(f"{self.client.model} does not tell its parameters.")

    def explain(self, picture: np.ndarray, label: int | None, version: int | None) -> Explanation:
        raise RequestRefused(f"{self.client.model} does not explain.")

    def _predict(self, pictures: np.ndarray, version: int | None) -> Prediction:
        prepared = [self._prepare(picture) for picture in pictures]
        if self._info.dtype == "string":
            inputs = np.array(prepared, object)
        else:
            inputs = np.stack(prepared)
        return self.client.predict(self._signature, {self._input: inputs}, version=version)

    def _prepare(self, picture: np.ndarray) -> np.ndarray | bytes:
        """One picture, uint8 [H, W, 1 or 3], as the signature takes it."""
        pixels = self._resize(picture)
        if self._info.dtype == "string":
            file = io.BytesIO()
            Image.fromarray(pixels.squeeze()).save(file, "PNG")
            return file.getvalue()
        least, largest = self._pixels
        scaled = least + pixels / np.float32(255) * (largest - least)
        shape = [side or own for side, own in zip(self._info.shape[1:], pixels.shape)]
        return scaled.reshape(shape).astype(DTYPES[self._info.dtype])

    def _resize(self, picture: np.ndarray) -> np.ndarray:
        """The middle of it in the input's size: uint8 [height, width, channels]."""
        mode = "L" if self._taken.channels == 1 else "RGB"
        size = self._taken.width, self._taken.height
        whole = Image.fromarray(picture.squeeze()).convert(mode)
        return np.asarray(ImageOps.fit(whole, size)).reshape(*size[::-1], -1)


def _find_input(signature: Signature) -> TensorInfo | None:
    """The only input, if a picture can go into it."""
    if len(signature.inputs) != 1:
        return None
    [info] = signature.inputs.values()
    if info.shape is None:
        return None
    if info.dtype == "string":
        return info if len(info.shape) == 1 else None
    is_image = len(info.shape) == 3 or (len(info.shape) == 4 and info.shape[3] in (1, 3, None))
    return info if info.dtype in NUMBERS and is_image else None


def _size_of(info: TensorInfo) -> tuple[int, int, int]:
    """Height, width and channels that a picture is brought to."""
    if info.dtype == "string":
        return SIDE, SIDE, 3
    _, height, width, channels = (*info.shape, 1)[:4]
    return height or SIDE, width or SIDE, channels or 3


def _is_maps(array: np.ndarray) -> bool:
    return array.ndim == 4 and array.dtype.kind in "fiu" and array.size > 0


def _names_of_scores(answer: Prediction) -> list[str]:
    return [
        name
        for name, array in sorted(answer.items())
        if array.ndim == 2 and array.dtype.kind == "f" and array.size > 0
    ]


def _layer(name: str, kind: str, shape: tuple[int, ...]) -> dict:
    form = thumbnail_form(list(shape))
    return {
        "name": name,
        "kind": kind,
        "class": "Output",
        "shape": shape,
        "from": [],
        "is_exact": False,
        "activation": "other",
        "is_signed": True,
        "thumbnail": form._asdict(),
    }


def _shrink(maps: np.ndarray, layer: Layer) -> np.ndarray:
    """Blocks of units as their mean, at the border of those that there are."""
    if layer.blocks == (1, 1):
        return maps
    for axis, block in enumerate(layer.blocks):
        starts = np.arange(0, maps.shape[axis], block)
        sums = np.add.reduceat(maps, starts, axis=axis)
        counts = np.diff(np.append(starts, maps.shape[axis]))
        maps = sums / np.expand_dims(counts, [1 - axis, 2] if axis else [1, 2])
    return maps.astype(np.float32)


def _written(info: TensorInfo) -> str:
    if info.shape is None:
        return f"{info.dtype} of any rank"
    return f"{info.dtype} [{', '.join('any' if s is None else str(s) for s in info.shape)}]"
