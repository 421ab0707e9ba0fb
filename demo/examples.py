"""Which real digits fire a map most: found among MNIST's test digits, kept beside the models.

python -m demo.examples --data DIR [--server 127.0.0.1:8500]

Source: Olah, Mordvintsev, Schubert, "Feature visualization", Distill, 2017 ("dataset examples").
"""

import argparse
import functools
import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from demo.layers import Layer, find_layer
from demo.look import ask_weights
from demo.render import render_grid
from serving.client import Client, ServingError

FOLDER = Path(__file__).parent.parent / "exported" / "examples"
LAYERS = ("h_conv1", "h_conv2")
FED_BY = {"h_conv1": "h_conv1", "h_pool1": "h_conv1", "h_conv2": "h_conv2", "h_pool2": "h_conv2"}
COUNT = 8  # digits a map
TOGETHER = 250  # digits in a request
TIMEOUT = 60.0  # seconds for each request
DIMMED = 0.3  # what the unit does not see


class Examples(NamedTuple):
    """The digits that fire each map of a layer most, the strongest first."""

    images: np.ndarray  # uint8 [maps, COUNT, 28, 28]
    places: np.ndarray  # int64 [maps, COUNT, 2]: row and column of the unit that fires


def find_examples(client: Client, version: int, digits: np.ndarray) -> dict[str, Examples]:
    """Has the network read all digits, uint8 [N, 28, 28]; by layer, those that fire it most.

    Raises:
        ServingError: the server did not answer.
    """
    peaks = {name: [] for name in LAYERS}  # of each batch: [n, maps] values, [n, maps] places
    for start in range(0, len(digits), TOGETHER):
        images = digits[start : start + TOGETHER] / np.float32(255)
        answer = client.predict(
            "serving_default",
            {"images": images},
            outputs=LAYERS,
            version=version,
        )
        for name, maps in answer.items():
            flat = maps.reshape(len(maps), -1, maps.shape[-1])  # [n, side * side, maps]
            peaks[name].append((flat.max(axis=1), flat.argmax(axis=1)))
    found = {}
    for name, batches in peaks.items():
        values, places = (np.concatenate(parts) for parts in zip(*batches))  # [N, maps]
        best = np.argsort(-values, axis=0, kind="stable")[:COUNT].T  # [maps, COUNT]
        at = np.take_along_axis(places.T, best, axis=1)
        side = find_layer(name).side
        found[name] = Examples(digits[best], np.stack(np.divmod(at, side), axis=-1))
    return found


def save_examples(found: dict[str, Examples], path: Path) -> None:
    """Writes what `load_strip` shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{name}.{part}": a for name, e in found.items() for part, a in e._asdict().items()}
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.rename(path)  # a page may be looking


def path_of(client: Client, version: int) -> Path:
    """Where the examples of a version are kept, by its weights: another training has others.

    Raises:
        ServingError: the server does not tell its weights.
    """
    kernel = ask_weights(client, ["h_conv1_kernel"], [], version)["h_conv1_kernel"]
    return FOLDER / f"{hashlib.sha256(kernel.tobytes()).hexdigest()[:16]}.npz"


def load_strip(client: Client, version: int, layer: str, map: int) -> str | None:
    """A map's examples side by side, dark but for what the unit sees, as a data URL.

    Returns:
        None where nobody has looked for examples; a pool's are its convolution's.

    Raises:
        ServingError: the server does not tell its weights.
    """
    if layer not in FED_BY or not FOLDER.exists():
        return None
    path, convolution = path_of(client, version), FED_BY[layer]
    if not path.exists():
        return None
    images, places = _load(path)[convolution]
    sizes = find_layer(convolution)
    strip = [_spotlight(*one, sizes) for one in zip(images[map], places[map])]
    return render_grid(np.concatenate(strip, axis=1), "grey", 255)


@functools.lru_cache(maxsize=8)
def _load(path: Path) -> dict[str, Examples]:
    with np.load(path) as file:
        return {name: Examples(file[f"{name}.images"], file[f"{name}.places"]) for name in LAYERS}


def _spotlight(image: np.ndarray, place: np.ndarray, layer: Layer) -> np.ndarray:
    """[28, 29], with a gap at its right, dimmed outside of the unit's receptive field."""
    start = np.maximum(0, layer.stride * place - layer.before)
    end = layer.stride * place - layer.before + layer.field
    seen = (slice(start[0], end[0]), slice(start[1], end[1]))
    shown = DIMMED * image
    shown[seen] = np.maximum(image[seen], 40)  # so that its paper is seen as well
    return np.pad(shown, ((0, 0), (0, 1)))


def main() -> None:
    from model.mnist import MnistError, load_mnist  # a page without a data set has no use for it

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the IDX files")
    parser.add_argument("--server", default="127.0.0.1:8500", metavar="HOST:PORT")
    arguments = parser.parse_args()
    try:
        digits = load_mnist(arguments.data).test_images
        with Client(arguments.server, timeout=TIMEOUT) as client:
            for version in client.versions():
                path = path_of(client, version)
                save_examples(find_examples(client, version, digits), path)
                print(f"version {version}: {path}", flush=True)
    except (MnistError, ServingError) as error:
        sys.exit(f"demo.examples: {error}")


if __name__ == "__main__":
    main()
