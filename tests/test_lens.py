"""Details of units: receptive fields, exact activations, positions, and the visitor cache."""

import numpy as np
import pytest

from demo.arithmetic import as_maps, check_unit
from demo.description import Description
from demo.errors import Expired, RequestError
from demo.network import ExposedNetwork, Inference
from demo.visitor_cache import MAX_BYTES, MAX_VISITORS, VisitorCache
from tests.galleries import GALLERIES
from tests.test_render import LAYERS

SPATIAL = [gallery for gallery in GALLERIES if gallery.name != "h_fc1"]


@pytest.fixture(scope="module")
def description(client) -> Description:
    return ExposedNetwork(client).description()


@pytest.mark.parametrize("gallery", SPATIAL, ids=lambda gallery: gallery.name)
def test_receptive_field_matches_brute_force(client, description, gallery):
    """Each pixel is changed to black and to white: which units change?"""
    image = np.random.default_rng(5).uniform(0.3, 0.7, 784).astype(np.float32)
    changed = np.zeros((28, 28, gallery.side, gallery.side), bool)
    for colour in (0, 1):
        images = np.tile(image, (785, 1))  # the last one unchanged
        np.fill_diagonal(images[:784], colour)
        answers = [
            client.predict("serving_default", {"images": batch}, outputs=[gallery.name])
            for batch in np.array_split(images.reshape(785, 28, 28), 4)
        ]
        # Each [side, side, maps].
        *maps, unchanged = np.concatenate([answer[gallery.name] for answer in answers])
        changed |= (np.abs(maps - unchanged).max(axis=3) > 1e-6).reshape(changed.shape)
    row_field, column_field = description.layers[gallery.index].receptive_field
    needed = np.zeros((row_field.size, column_field.size), bool)
    for row, column in np.ndindex(gallery.side, gallery.side):
        top = row_field.stride * row - row_field.before
        left = column_field.stride * column - column_field.before
        rows = slice(max(0, top), top + row_field.size)
        columns = slice(max(0, left), left + column_field.size)
        of_unit = changed[:, :, row, column].copy()
        if of_unit[rows, columns].shape == needed.shape:  # not cut at the border
            needed |= of_unit[rows, columns]
        of_unit[rows, columns] = False
        assert not of_unit.any(), "a pixel outside of the receptive field changes the unit"
    assert needed.all(), "the receptive field is smaller"


def test_receptive_fields_of_input_and_dense_layers(description):
    assert description.layers[0].receptive_field == ((1, 1, 0), (1, 1, 0))
    assert [layer.receptive_field for layer in description.layers[5:]] == [None, None]


def layer_of(name: str):
    [layer] = [layer for layer in LAYERS if layer.name == name]
    return layer


def test_activations_are_exact_and_previews_are_rounded(client, digits):
    """Previews are rounded to 255 steps of each map's range."""
    network, drawing = ExposedNetwork(client), digits[0][1234, :, :, None]
    [inference] = network.infer(drawing[None], range(7))
    truth = client.predict("sketch", {"drawings": drawing[None, :, :, 0]})
    for layer in inference.description.layers:
        name = "images" if layer.name == "input" else layer.name
        expected = truth[name][0]
        activations = network.activations(drawing, layer, inference.version)
        assert activations.shape == expected.shape == layer.shape
        np.testing.assert_allclose(activations, expected, rtol=1e-5, atol=1e-6)
        maps = as_maps(layer, expected)  # [height, width, maps]
        units = maps.reshape(-1, maps.shape[2])[: layer.units]
        minima, maxima = units.min(axis=0), units.max(axis=0)
        np.testing.assert_allclose(inference.ranges[layer.index].T, [minima, maxima], atol=1e-5)
        preview = inference.maps[layer.index].reshape(units.shape if not layer.units else (-1, 1))
        errors = np.abs(preview[: len(units)] - units) / np.maximum(maxima - minima, 1e-6)
        assert errors.max() <= 1 / 510 + 1e-4
    np.testing.assert_allclose(inference.scores, truth["logits"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(inference.probabilities, truth["probabilities"][0], atol=1e-5)


def test_unknown_unit_is_refused():
    maps, units = layer_of("h_conv2"), layer_of("scores")  # 10 units in 3 rows of 4
    for layer, *position in ((maps, 63, 13, 13), (maps, 5), (units, 0, 2, 1)):
        check_unit(layer, *position)
    for layer, *position in (
        *((maps, 64, 0, 0), (maps, 0, -1, 0), (maps, 0, 0, 14), (maps, None, 0, 0)),
        *((maps, [0] * 1000, 0, 0), (maps, True, 0, 0), (maps, 0, "1", 0), (maps, 0, 0, 1.0)),
        *((units, 0, 2, 2), (units, 0, 3, 0), (units, 1, 0, 0), (units, 0, 0, 4)),
    ):
        with pytest.raises(RequestError, match=f"{layer.name} has no unit"):
            check_unit(layer, *position)


def test_units_fill_a_map_row_by_row():
    layer = layer_of("scores")
    maps = as_maps(layer, np.arange(1.0, 11.0))
    np.testing.assert_array_equal(maps[:, :, 0], [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]])
    assert [layer.unit_at(layer.position_of(unit)) for unit in range(10)] == list(range(10))


def test_many_units_are_sampled_evenly():
    """Position i has unit i * units // 4096, as in `docs/description.md`."""
    layer = layer_of("scores")._replace(shape=(10_000,), height=64, width=64)
    maps = as_maps(layer, np.arange(10_000))
    expected = [position * 10_000 // 4096 for position in range(4096)]
    assert maps.ravel().tolist() == expected
    for position, unit in enumerate(expected):
        assert layer.unit_at(position) == unit
        assert layer.position_of(unit) == position
    assert layer.position_of(9_999) == 4095


def make_inference(value: float) -> Inference:
    return Inference(np.zeros((28, 28, 1), np.uint8), None, {0: np.full((28, 28, 1), value)}, {})


def test_visitor_cache_keeps_a_and_b_per_visitor():
    cache, first, second, third = VisitorCache(), *(make_inference(value) for value in range(3))
    cache.put("ann", first)
    cache.put("ann", second, "A")
    cache.put("bob", third)
    assert cache.get("ann") is first
    assert cache.get("ann", "A") is second
    assert cache.get("bob") is third
    cache.put("ann", third)
    assert cache.get("ann") is third
    with pytest.raises(Expired):
        cache.get("bob", "A")
    with pytest.raises(Expired):
        cache.get("eve")
    cache.drop("ann")
    cache.drop("eve")
    with pytest.raises(Expired):
        cache.get("ann", "A")


def test_visitor_cache_drops_the_oldest_visitor():
    cache, inference = VisitorCache(), make_inference(1)
    for visitor in range(MAX_VISITORS):
        cache.put(str(visitor), inference)
    cache.put("0", inference)
    cache.put("new", inference)
    assert cache.get("0") is inference
    with pytest.raises(Expired):
        cache.get("1")


def test_visitor_cache_limits_the_bytes_of_activations():
    cache, first, second = VisitorCache(), make_inference(1), make_inference(2)
    quarter = np.zeros(MAX_BYTES // 4, np.uint8)
    layers = [quarter.copy() for _ in range(6)]
    cache.put_activations(first, 1, layers[0])
    cache.put_activations(first, 1, layers[5])  # is cached already
    for index in (1, 2, 3):
        cache.put_activations(second, index, layers[index])
    assert cache.activations(first, 1) is layers[0]
    assert [cache.activations(second, index) for index in (1, 2, 3)] == layers[1:4]
    assert cache.activations(first, 2) is cache.activations(make_inference(1), 1) is None
    cache.put_activations(first, 2, layers[4])
    assert cache.activations(first, 1) is None
    assert cache.activations(first, 2) is layers[4]
    cache.put_activations(first, 3, np.zeros(MAX_BYTES + 1, np.uint8))  # exceeds the limit alone
    assert cache.activations(first, 3) is None
    cache.put_activations(first, 1, layers[0])
    assert cache.activations(first, 1) is layers[0]
