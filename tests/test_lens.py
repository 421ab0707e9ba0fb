"""The lens: exact values, and receptive fields as brute force finds them."""

import numpy as np
import pytest

from demo.arithmetic import as_maps, check_unit
from demo.description import Description
from demo.errors import Expired, RequestError
from demo.network import ExposedNetwork, Inference
from demo.visitor_cache import MAX_BYTES, MAX_VISITORS, VisitorCache
from tests.galleries import GALLERIES
from tests.test_render import LAYERS

WITH_PLACE = [gallery for gallery in GALLERIES if gallery.name != "h_fc1"]


@pytest.fixture(scope="module")
def description(client) -> Description:
    return ExposedNetwork(client).description()


@pytest.mark.parametrize("gallery", WITH_PLACE, ids=lambda gallery: gallery.name)
def test_a_receptive_field_is_what_moves_the_unit(client, description, gallery):
    """Every pixel is changed, one at a time, to black and to white: which units move?"""
    image = np.random.default_rng(5).uniform(0.3, 0.7, 784).astype(np.float32)
    moved = np.zeros((28, 28, gallery.side, gallery.side), bool)
    for colour in (0, 1):
        images = np.tile(image, (785, 1))  # the last one unchanged
        np.fill_diagonal(images[:784], colour)
        answers = [
            client.predict("serving_default", {"images": some}, outputs=[gallery.name])
            for some in np.array_split(images.reshape(785, 28, 28), 4)
        ]
        # Each [side, side, maps].
        *maps, unchanged = np.concatenate([answer[gallery.name] for answer in answers])
        moved |= (np.abs(maps - unchanged).max(axis=3) > 1e-6).reshape(moved.shape)
    rows_seen, columns_seen = description.layers[gallery.index].field
    needed = np.zeros((rows_seen.size, columns_seen.size), bool)
    for row, column in np.ndindex(gallery.side, gallery.side):
        top = rows_seen.stride * row - rows_seen.before
        left = columns_seen.stride * column - columns_seen.before
        rows = slice(max(0, top), top + rows_seen.size)
        columns = slice(max(0, left), left + columns_seen.size)
        of_unit = moved[:, :, row, column].copy()
        if of_unit[rows, columns].shape == needed.shape:  # not cut at the border
            needed |= of_unit[rows, columns]
        of_unit[rows, columns] = False
        assert not of_unit.any(), "a pixel outside of the field moves the unit"
    assert needed.all(), "the field is smaller"


def test_a_unit_without_a_place_sees_everything(description):
    """And a pixel of the input sees itself."""
    assert description.layers[0].field == ((1, 1, 0), (1, 1, 0))
    assert [layer.receptive_field for layer in description.layers[5:]] == [None, None]


def layer_of(name: str):
    [layer] = [layer for layer in LAYERS if layer.name == name]
    return layer


def test_all_of_a_layer_is_exactly_what_was_computed(client, digits):
    """And what is shown of it is that to half of the 255th part of each map's range."""
    network, drawing = ExposedNetwork(client), digits[0][1234, :, :, None]
    [seen] = network.infer(drawing[None], range(7))
    truth = client.predict("sketch", {"drawings": drawing[None, :, :, 0]})
    for layer in seen.description.layers:
        name = "images" if layer.name == "input" else layer.name
        full = truth[name][0]
        got = network.activations(drawing, layer, seen.version)
        assert got.shape == full.shape == layer.shape
        np.testing.assert_allclose(got, full, rtol=1e-5, atol=1e-6)
        maps = as_maps(layer, full)  # [height, width, maps]
        there = maps.reshape(-1, maps.shape[2])[: layer.units]
        least, largest = there.min(axis=0), there.max(axis=0)
        np.testing.assert_allclose(seen.ranges[layer.index].T, [least, largest], atol=1e-5)
        shown = seen.maps[layer.index].reshape(there.shape if not layer.units else (-1, 1))
        off = np.abs(shown[: len(there)] - there) / np.maximum(largest - least, 1e-6)
        assert off.max() <= 1 / 510 + 1e-4
    np.testing.assert_allclose(seen.scores, truth["logits"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(seen.probabilities, truth["probabilities"][0], atol=1e-5)


def test_there_is_no_such_unit():
    maps, units = layer_of("h_conv2"), layer_of("scores")  # 10 units in 3 rows of 4
    for layer, *place in ((maps, 63, 13, 13), (maps, 5), (units, 0, 2, 1)):
        check_unit(layer, *place)
    for layer, *place in (
        *((maps, 64, 0, 0), (maps, 0, -1, 0), (maps, 0, 0, 14), (maps, None, 0, 0)),
        *((maps, [0] * 1000, 0, 0), (maps, True, 0, 0), (maps, 0, "1", 0), (maps, 0, 0, 1.0)),
        *((units, 0, 2, 2), (units, 0, 3, 0), (units, 1, 0, 0), (units, 0, 0, 4)),
    ):
        with pytest.raises(RequestError, match=f"{layer.name} has no unit"):
            check_unit(layer, *place)


def test_units_are_shown_row_by_row():
    layer = layer_of("scores")
    maps = as_maps(layer, np.arange(1.0, 11.0))
    np.testing.assert_array_equal(maps[:, :, 0], [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]])
    assert [layer.unit_at(layer.place_of(unit)) for unit in range(10)] == list(range(10))


def test_of_very_many_units_some_are_shown_evenly_spaced():
    """As `docs/description.md` has it: place i has unit i * units // 4096."""
    layer = layer_of("scores")._replace(shape=(10_000,), height=64, width=64)
    maps = as_maps(layer, np.arange(10_000))
    expected = [place * 10_000 // 4096 for place in range(4096)]
    assert maps.ravel().tolist() == expected
    for place, unit in enumerate(expected):
        assert layer.unit_at(place) == unit
        assert layer.place_of(unit) == place
    assert layer.place_of(9_999) == 4095


def seen_with(value: float) -> Inference:
    return Inference(np.zeros((28, 28, 1), np.uint8), None, {0: np.full((28, 28, 1), value)}, {})


def test_each_visitor_has_the_last_one_and_the_one_that_is_compared():
    kept, first, second, third = VisitorCache(), *(seen_with(value) for value in range(3))
    kept.put("ann", first)
    kept.put("ann", second, "A")
    kept.put("bob", third)
    assert kept.get("ann") is first
    assert kept.get("ann", "A") is second
    assert kept.get("bob") is third
    kept.put("ann", third)
    assert kept.get("ann") is third
    with pytest.raises(Expired):
        kept.get("bob", "A")
    with pytest.raises(Expired):
        kept.get("eve")
    kept.drop("ann")
    kept.drop("eve")
    with pytest.raises(Expired):
        kept.get("ann", "A")


def test_the_oldest_visitor_is_forgotten():
    kept, one = VisitorCache(), seen_with(1)
    for visitor in range(MAX_VISITORS):
        kept.put(str(visitor), one)
    kept.put("0", one)
    kept.put("new", one)
    assert kept.get("0") is one
    with pytest.raises(Expired):
        kept.get("1")


def test_layers_in_full_are_kept_while_there_is_room():
    kept, one, other = VisitorCache(), seen_with(1), seen_with(2)
    quarter = np.zeros(MAX_BYTES // 4, np.uint8)
    layers = [quarter.copy() for _ in range(6)]
    kept.put_full(one, 1, layers[0])
    kept.put_full(one, 1, layers[5])  # is there already
    for index in (1, 2, 3):
        kept.put_full(other, index, layers[index])
    assert kept.full(one, 1) is layers[0]
    assert [kept.full(other, index) for index in (1, 2, 3)] == layers[1:4]
    assert kept.full(one, 2) is kept.full(seen_with(1), 1) is None
    kept.put_full(one, 2, layers[4])
    assert kept.full(one, 1) is None
    assert kept.full(one, 2) is layers[4]
    kept.put_full(one, 3, np.zeros(MAX_BYTES + 1, np.uint8))  # has no room at all
    assert kept.full(one, 3) is None
    kept.put_full(one, 1, layers[0])
    assert kept.full(one, 1) is layers[0]
