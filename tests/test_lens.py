"""The lens: exact values, and receptive fields as brute force finds them."""

import numpy as np
import pytest

from demo.errors import Forgotten, RequestError
from demo.kept import MOST_VISITORS, Kept
from demo.layers import GALLERIES

WITH_PLACE = [layer for layer in GALLERIES if layer.field]


@pytest.mark.parametrize("layer", WITH_PLACE, ids=lambda layer: layer.name)
def test_a_receptive_field_is_what_moves_the_unit(client, layer):
    """Every pixel is changed, one at a time, to black and to white: which units move?"""
    image = np.random.default_rng(5).uniform(0.3, 0.7, 784).astype(np.float32)
    moved = np.zeros((28, 28, layer.side, layer.side), bool)
    for colour in (0, 1):
        images = np.tile(image, (785, 1))  # the last one unchanged
        np.fill_diagonal(images[:784], colour)
        answers = [
            client.predict("serving_default", {"images": some}, outputs=[layer.name])[layer.name]
            for some in np.array_split(images.reshape(785, 28, 28), 4)
        ]
        *maps, unchanged = np.concatenate(answers)  # each [side, side, maps]
        moved |= (np.abs(maps - unchanged).max(axis=3) > 1e-6).reshape(moved.shape)
    needed = np.zeros((layer.field, layer.field), bool)
    for row, column in np.ndindex(layer.side, layer.side):
        top, left = (layer.stride * at - layer.before for at in (row, column))
        rows = slice(max(0, top), top + layer.field)
        columns = slice(max(0, left), left + layer.field)
        of_unit = moved[:, :, row, column].copy()
        if of_unit[rows, columns].shape == needed.shape:  # not cut at the border
            needed |= of_unit[rows, columns]
        of_unit[rows, columns] = False
        assert not of_unit.any(), "a pixel outside of the field moves the unit"
    assert needed.all(), "the field is smaller"


def test_a_unit_is_exactly_what_was_computed():
    rng = np.random.default_rng(1)
    activations = {
        layer.name: rng.random((layer.side, layer.side, layer.maps)).astype(np.float32)
        for layer in GALLERIES
    }
    activations["h_fc1"] = activations["h_fc1"].reshape(1024)
    kept = Kept()
    kept.put("ann", activations)
    unit = kept.unit("ann", "B", "h_conv2", 17, 3, 9)
    one = activations["h_conv2"][:, :, 17]
    assert unit == {"value": one[3, 9], "largest": one.max(), "mean": one.mean()}
    assert kept.unit("ann", "B", "h_fc1", 0, 2, 5)["value"] == activations["h_fc1"][69]
    for layer, *place in (
        *(("h_conv2", 64, 0, 0), ("h_conv2", 0, -1, 0), ("h_conv2", 0, 0, 14)),
        *(("h_conv2", [0] * 1000, 0, 0), ("h_conv2", True, 0, 0), ("h_conv9", 0, 0, 0)),
    ):
        with pytest.raises(RequestError):
            kept.unit("ann", "B", layer, *place)
    with pytest.raises(Forgotten):
        kept.unit("bob", "B", "h_conv2", 0, 0, 0)


def test_the_oldest_visitor_is_forgotten():
    kept = Kept()
    one = {layer.name: np.zeros((layer.side, layer.side, layer.maps)) for layer in GALLERIES}
    for visitor in range(MOST_VISITORS):
        kept.put(str(visitor), one)
    kept.put("0", one)
    kept.put("new", one)
    assert kept.unit("0", "B", "h_pool2", 0, 0, 0)["value"] == 0
    with pytest.raises(Forgotten):
        kept.unit("1", "B", "h_pool2", 0, 0, 0)
