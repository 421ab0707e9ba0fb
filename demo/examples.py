"""Dataset examples: the pictures with the strongest activation of each map, found and shown.

Finds and saves them: python -m demo.examples --pictures PATH [--server 127.0.0.1:8500]
[--model NAME]

Source: Olah, Mordvintsev, Schubert, "Feature visualization", Distill, 2017 ("dataset examples").
"""

import argparse
import functools
import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from demo.description import Description, Layer
from demo.network import ExposedNetwork, Network
from demo.picture_file import to_picture
from demo.render import as_url, render_grid, write_image
from serving.client import Client, ServingError
from serving.defaults import MODEL

FOLDER = Path(__file__).parent.parent / "exported" / "examples"
COUNT = 8  # pictures per map
MAX_BATCH = 64  # pictures per request, unless the model's own limit is lower
TIMEOUT = 60.0  # seconds per request
DIMMED = 0.3  # brightness outside the receptive field
MIN_LEVEL = 40  # grey level inside the receptive field, so that black parts of it are visible


class Examples(NamedTuple):
    """The pictures with the strongest activation of each map of a layer, the strongest first."""

    pictures: np.ndarray  # uint8 [maps, COUNT, height, width, channels]: the network's input
    places: np.ndarray  # int64 [maps, COUNT, 2]: row and column of the unit on the shown map


def find_examples(
    network: Network, version: int, pictures: list[np.ndarray]
) -> dict[int, Examples]:
    """Runs pictures through a model, and finds the best for each map.

    Args:
        network: the model.
        version: of the model.
        pictures: uint8 [H, W, 1 or 3] each.

    Returns:
        Examples by index of the layer, for each layer with a receptive field.

    Raises:
        ServingError: the server did not answer.
    """
    description = network.description(version)
    layers = [layer for layer in description.layers if layer.receptive_field]
    peaks: dict[int, list] = {layer.index: [] for layer in layers}
    inputs = []  # [height, width, channels] each
    for batch in _batches(pictures, min(MAX_BATCH, description.max_batch_size)):
        for inference in network.infer(batch, [layer.index for layer in layers], version):
            inputs.append(_to_bytes(inference.maps[0], inference.ranges[0]))
            for layer in layers:
                units = inference.maps[layer.index].reshape(-1, len(layer.maps))
                maxima = inference.ranges[layer.index][:, 1]
                peaks[layer.index].append((maxima, units.argmax(axis=0)))
    images = np.stack(inputs)
    found = {}
    for layer in layers[1:]:  # without the input
        maxima, units = (np.stack(parts) for parts in zip(*peaks[layer.index]))  # [N, maps]
        best = np.argsort(-maxima, axis=0, kind="stable")[:COUNT].T  # [maps, COUNT]
        best_units = np.take_along_axis(units.T, best, axis=1)
        places = np.stack(np.divmod(best_units, layer.width), axis=-1)
        found[layer.index] = Examples(images[best], places)
    return found


def save_examples(found: dict[int, Examples], path: Path) -> None:
    """Writes the file that `find_strip` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{index}.{part}": a for index, e in found.items() for part, a in e._asdict().items()}
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.rename(path)  # atomic, since a page may read it now


def path_of(network: Network, description: Description) -> Path:
    """Returns the path of a version's examples, which depends on its weights.

    Raises:
        ServingError: the server does not return parameters.
    """
    digest = hashlib.sha256(description.identity.encode())
    with_parameters = [layer for layer in description.layers if layer.has_parameters]
    for layer in with_parameters[:2]:
        digest.update(network.parameters(layer, 0, description.version).kernel.tobytes())
    return FOLDER / f"{digest.hexdigest()[:16]}.npz"


def find_strip(network: Network, description: Description, layer: Layer, map: int) -> str | None:
    """Draws a map's examples side by side, dimmed outside the unit's receptive field.

    Returns:
        A PNG as a data URL; None if there are no examples.

    Raises:
        ServingError: the server does not return parameters.
    """
    if not (layer.receptive_field and FOLDER.exists() and "parameters" in description.signatures):
        return None
    path = path_of(network, description)
    if not path.exists() or map not in layer.maps:
        return None
    found = _load(path).get(layer.index)
    if found is None:
        return None
    index = layer.maps.index(map)
    strip = [
        _spotlight(picture, place, layer, description)
        for picture, place in zip(found.pictures[index], found.places[index], strict=True)
    ]
    joined = np.concatenate(strip, axis=1)
    if joined.shape[2] == 1:
        return render_grid(joined[:, :, 0], "grey", 255)
    return as_url(write_image(np.rint(joined).astype(np.uint8)))


@functools.lru_cache(maxsize=8)
def _load(path: Path) -> dict[int, Examples]:
    with np.load(path) as file:
        indices = {name.partition(".")[0] for name in file.files}
        return {
            int(index): Examples(file[f"{index}.pictures"], file[f"{index}.places"])
            for index in indices
        }


def _spotlight(
    picture: np.ndarray, place: np.ndarray, layer: Layer, description: Description
) -> np.ndarray:
    """Dims a picture outside a unit's receptive field: [height, width + 1 (gap), channels]."""
    blocks = description.layers[0].blocks
    area = []
    for axis in (0, 1):
        field = layer.receptive_field[axis]
        unit = place[axis] * layer.blocks[axis] + layer.blocks[axis] // 2
        start = field.stride * unit - field.before
        end = -(-(start + field.size) // blocks[axis])
        area.append(slice(max(0, start // blocks[axis]), end))
    dimmed = DIMMED * picture
    dimmed[*area] = np.maximum(picture[*area], MIN_LEVEL)
    return np.pad(dimmed, ((0, 0), (0, 1), (0, 0)))


def _to_bytes(maps: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Scales the input, [height, width, channels], from its minimum and maximum to 0 and 255."""
    minimum, maximum = ranges[:, 0].min(), ranges[:, 1].max()
    return np.rint(255 * (maps - minimum) / max(maximum - minimum, 1e-9)).astype(np.uint8)


def _batches(pictures: list[np.ndarray], max_batch: int) -> list[np.ndarray]:
    """Batches consecutive pictures of the same size."""
    batches: list[list[np.ndarray]] = []
    for picture in pictures:
        if not batches or len(batches[-1]) == max_batch or batches[-1][0].shape != picture.shape:
            batches.append([])
        batches[-1].append(picture)
    return [np.stack(batch) for batch in batches]


def read_pictures(path: Path, kind: str) -> list[np.ndarray]:
    """Reads a folder of picture files, or an IDX file of grey pictures with white ink on black.

    Args:
        path: of the folder or the file.
        kind: of the model's input, `drawing` or `picture`.

    Raises:
        OSError, ValueError: a file cannot be read.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
        return [to_picture(Image.open(file), kind) for file in files]
    from model.idx import read_idx

    grey = read_idx(path, rank=3)[..., None]  # [N, H, W, 1]
    return list(grey if kind == "drawing" else grey.repeat(3, axis=3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pictures", type=Path, required=True, metavar="PATH", help="a folder, or an IDX file"
    )
    parser.add_argument(
        "--server",
        default="127.0.0.1:8500",
        metavar="HOST:PORT",
        help="gRPC address of the model server (default: %(default)s)",
    )
    parser.add_argument(
        "--model", default=MODEL, help="name of the model on the server (default: %(default)s)"
    )
    arguments = parser.parse_args()
    try:
        with Client(arguments.server, arguments.model, timeout=TIMEOUT) as client:
            network = ExposedNetwork(client)
            pictures = read_pictures(arguments.pictures, network.description().input.kind)
            for version in client.versions():
                path = path_of(network, network.description(version))
                save_examples(find_examples(network, version, pictures), path)
                print(f"version {version}: {path}", flush=True)
    except (OSError, ValueError, ServingError) as error:
        sys.exit(f"demo.examples: {error}")


if __name__ == "__main__":
    main()
