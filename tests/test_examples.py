"""Which digits fire a map most, against a search by hand."""

import numpy as np
import pytest

from demo import examples
from demo.examples import COUNT, find_examples, load_strip, path_of, save_examples
from serving.client import Client
from tests.test_render import read_sheet


@pytest.fixture(scope="module")
def some(digits) -> np.ndarray:
    return digits[0][::7]  # more than go into one request


@pytest.fixture(scope="module")
def found(client: Client, some, final_version):
    return find_examples(client, final_version, some)


@pytest.mark.parametrize("layer", ["h_conv1", "h_conv2"])
def test_they_are_those_that_fire_it_most(client, some, found, layer):
    images = some / np.float32(255)
    maps = np.concatenate(
        [
            client.predict("serving_default", {"images": part}, outputs=[layer])[layer]
            for part in np.array_split(images, 4)
        ]
    )  # [N, side, side, maps]
    for index in (0, 5, maps.shape[3] - 1):
        peaks = maps[:, :, :, index].max(axis=(1, 2))
        best = np.sort(peaks)[::-1][:COUNT]
        for rank, (image, (row, column)) in enumerate(
            zip(found[layer].images[index], found[layer].places[index])
        ):
            [at, *_] = np.flatnonzero((some == image).all(axis=(1, 2)))
            assert maps[at, row, column, index] == peaks[at] == pytest.approx(best[rank])


def test_they_are_shown_where_somebody_has_looked(
    client, found, final_version, tmp_path, monkeypatch
):
    monkeypatch.setattr(examples, "FOLDER", tmp_path)
    assert load_strip(client, final_version, "h_conv2", 3) is None
    save_examples(found, path_of(client, final_version))
    strip = read_sheet(load_strip(client, final_version, "h_conv2", 3))
    assert strip.shape[:2] == (28, COUNT * 29)
    first = found["h_conv2"].images[3, 0]
    row, column = found["h_conv2"].places[3, 0]
    seen = np.zeros((28, 28), bool)  # 14x14 pixels from six before the unit's own
    seen[max(0, 2 * row - 6) : 2 * row + 8, max(0, 2 * column - 6) : 2 * column + 8] = True
    shown = strip[:, :28, 0].astype(int)
    np.testing.assert_allclose(shown[seen], np.maximum(first[seen], 40), atol=2)
    np.testing.assert_allclose(shown[~seen], 0.3 * first[~seen], atol=2)
    assert load_strip(client, final_version, "h_pool2", 3) == load_strip(
        client, final_version, "h_conv2", 3
    )
    assert load_strip(client, final_version, "h_fc1", 0) is None
    assert load_strip(client, 1, "h_conv2", 3) is None  # another version has others
