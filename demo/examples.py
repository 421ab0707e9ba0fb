"""Which pictures fire a map most: found among many, kept beside the models, shown with the map.

python -m demo.examples --pictures PATH [--server 127.0.0.1:8500] [--model NAME]

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
COUNT = 8  # pictures a map
TOGETHER = 64  # pictures in a request, if the model lets so many in
TIMEOUT = 60.0  # seconds for each request
DIMMED = 0.3  # what the unit does not see
PAPER = 40  # grey level that what it sees has at least


class Examples(NamedTuple):
    """The pictures that fire each map of a layer most, the strongest first."""

    pictures: np.ndarray  # uint8 [maps, COUNT, height, width, channels], as the model sees them
    places: np.ndarray  # int64 [maps, COUNT, 2]: row and column, as shown, of what fires


def find_examples(
    network: Network, version: int, pictures: list[np.ndarray]
) -> dict[int, Examples]:
    """Has a model read many pictures, each uint8 [H, W, 1 or 3], and finds the best by layer.

    Raises:
        ServingError: the server did not answer.
    """
    description = network.description(version)
    layers = [layer for layer in description.layers if layer.receptive_field]
    peaks: dict[int, list] = {layer.index: [] for layer in layers}
    inputs = []  # as the model sees them, each [height, width, channels]
    for batch in _batches(pictures, min(TOGETHER, description.max_batch_size)):
        for seen in network.infer(batch, [layer.index for layer in layers], version):
            inputs.append(_as_bytes(seen.maps[0], seen.ranges[0]))
            for layer in layers:
                flat = seen.maps[layer.index].reshape(-1, len(layer.maps))
                peaks[layer.index].append((seen.ranges[layer.index][:, 1], flat.argmax(axis=0)))
    shown = np.stack(inputs)
    found = {}
    for layer in layers[1:]:  # the input's own say nothing
        values, places = (np.stack(parts) for parts in zip(*peaks[layer.index]))  # [N, maps]
        best = np.argsort(-values, axis=0, kind="stable")[:COUNT].T  # [maps, COUNT]
        at = np.take_along_axis(places.T, best, axis=1)
        places = np.stack(np.divmod(at, layer.width), axis=-1)
        found[layer.index] = Examples(shown[best], places)
    return found


def save_examples(found: dict[int, Examples], path: Path) -> None:
    """Writes what `find_strip` shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"{index}.{part}": a for index, e in found.items() for part, a in e._asdict().items()}
    unfinished = path.with_suffix(".unfinished.npz")
    np.savez_compressed(unfinished, **arrays)
    unfinished.rename(path)  # a page may be looking


def path_of(network: Network, description: Description) -> Path:
    """Where the examples of a version are kept, by its weights: another training has others.

    Raises:
        ServingError: the server does not tell its weights.
    """
    digest = hashlib.sha256(description.identity.encode())
    made = [layer for layer in description.layers if layer.has_parameters]
    for layer in made[:2]:
        digest.update(network.parameters(layer, 0, description.version).kernel.tobytes())
    return FOLDER / f"{digest.hexdigest()[:16]}.npz"


def find_strip(network: Network, description: Description, layer: Layer, map: int) -> str | None:
    """A map's examples side by side, dark but for what the unit sees, as a data URL.

    Returns:
        None where nobody has looked for examples.

    Raises:
        ServingError: the server does not tell its weights.
    """
    if not (layer.receptive_field and FOLDER.exists() and "parameters" in description.signatures):
        return None
    path = path_of(network, description)
    if not path.exists() or map not in layer.maps:
        return None
    found = _load(path).get(layer.index)
    if found is None:
        return None
    shown = layer.maps.index(map)
    strip = [
        _spotlight(*one, layer, description)
        for one in zip(found.pictures[shown], found.places[shown], strict=True)
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
    """[height, width + 1, channels], a gap at its right, dimmed where the unit does not see."""
    block = description.layers[0].blocks
    ends = []
    for axis in (0, 1):
        field = layer.receptive_field[axis]
        unit = place[axis] * layer.blocks[axis] + layer.blocks[axis] // 2
        start = field.stride * unit - field.before
        ends.append(slice(max(0, start // block[axis]), -(-(start + field.size) // block[axis])))
    shown = DIMMED * picture
    shown[*ends] = np.maximum(picture[*ends], PAPER)
    return np.pad(shown, ((0, 0), (0, 1), (0, 0)))


def _as_bytes(maps: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """The input, [height, width, channels], as grey levels from its least to its largest."""
    least, largest = ranges[:, 0].min(), ranges[:, 1].max()
    return np.rint(255 * (maps - least) / max(largest - least, 1e-9)).astype(np.uint8)


def _batches(pictures: list[np.ndarray], most: int) -> list[np.ndarray]:
    """Pictures of one size together."""
    batches: list[list[np.ndarray]] = []
    for picture in pictures:
        if not batches or len(batches[-1]) == most or batches[-1][0].shape != picture.shape:
            batches.append([])
        batches[-1].append(picture)
    return [np.stack(batch) for batch in batches]


def read_pictures(path: Path, kind: str) -> list[np.ndarray]:
    """All pictures of a folder, or of an IDX file of grey pictures that are drawings already.

    Args:
        path: of the folder or the file.
        kind: `drawing` or `picture`, as the model has it.

    Raises:
        OSError, ValueError: they cannot be read.
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
    parser.add_argument("--server", default="127.0.0.1:8500", metavar="HOST:PORT")
    parser.add_argument("--model", default=MODEL, help="its name there")
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
