"""The arithmetic that is shown is the network's own: it adds up to what the server answered."""

from functools import partial

import numpy as np
import pytest

from demo.anatomy import STRONGEST, dissect
from demo.errors import RequestError
from demo.layers import GALLERIES
from demo.look import ask, ask_weights
from model.network import build_network, expose_layers
from model.weights import RELEASED, find_snapshots, load_snapshot

CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # single precision, summed in another order


@pytest.fixture(scope="module")
def answer(client, digits):
    return ask(client, digits[0][4321])


@pytest.fixture(scope="module")
def weights(client, answer):
    return partial(ask_weights, client, version=answer.version)


@pytest.fixture(scope="module")
def before_relu(answer, final_version) -> dict[str, np.ndarray]:
    """What Keras itself has before each ReLU, for the same image."""
    network = build_network()
    load_snapshot(network, find_snapshots(RELEASED)[final_version])
    for name in ("h_conv1", "h_conv2", "h_fc1"):
        network.get_layer(name).activation = None
    layers = expose_layers(network)
    image = answer["images"][None]
    sums = {"h_conv1": layers(image)["h_conv1"][0].numpy()}
    for name, source in (("h_conv2", "h_pool1"), ("h_fc1", "h_pool2")):
        inputs = answer[source][None] if name == "h_conv2" else answer[source].reshape(1, -1)
        sums[name] = network.get_layer(name)(inputs)[0].numpy()
    return sums


def units(name: str, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Corners, where the border's zeros count, and some others: (map, row, column)."""
    layer = next(layer for layer in GALLERIES if layer.name == name)
    last = layer.side - 1
    corners = [(0, 0, 0), (layer.maps - 1, last, last), (0, 0, last), (0, last, 0)]
    return corners + [
        tuple(map(int, rng.integers((layer.maps, layer.side, layer.side)))) for _ in range(12)
    ]


def added_up(anatomy) -> float:
    told = sum(term["contribution"] for term in anatomy["terms"])
    grids = np.sum(anatomy["grids"][-1]["numbers"]) if anatomy["grids"] else 0
    return told + grids + anatomy.get("rest", 0) + anatomy["bias"]


@pytest.mark.parametrize("name", ["h_conv1", "h_conv2", "h_fc1"])
def test_the_terms_add_up_to_what_the_network_computed(answer, weights, before_relu, name):
    values = answer[name].reshape(before_relu[name].shape)
    for index, row, column in units(name, np.random.default_rng(3)):
        anatomy = dissect(answer, weights, name, index, row, column)
        at = (row * 32 + column,) if name == "h_fc1" else (row, column, index)
        np.testing.assert_allclose(anatomy["sum"], before_relu[name][at], **CLOSE)
        np.testing.assert_allclose(added_up(anatomy), anatomy["sum"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(max(0, anatomy["sum"]), values[at], **CLOSE)
        assert anatomy["value"] == values[at]


def test_the_arithmetic_of_the_first_convolution_is_patch_times_kernel(answer, weights):
    patch, kernel, products = (
        np.array(grid["numbers"])
        for grid in dissect(answer, weights, "h_conv1", 3, 13, 14)["grids"]
    )
    np.testing.assert_array_equal(patch, answer["images"][11:16, 12:17])
    np.testing.assert_allclose(products, patch * kernel)
    corner = np.array(dissect(answer, weights, "h_conv1", 3, 0, 27)["grids"][0]["numbers"])
    np.testing.assert_array_equal(corner[:2], 0)
    np.testing.assert_array_equal(corner[:, 3:], 0)


def test_the_logits_add_up(answer, weights):
    for digit in range(10):
        anatomy = dissect(answer, weights, "logits", digit)
        np.testing.assert_allclose(anatomy["sum"], answer["logits"][digit], **CLOSE)
        np.testing.assert_allclose(added_up(anatomy), anatomy["sum"], rtol=0, atol=1e-12)
        for term in anatomy["terms"]:
            np.testing.assert_allclose(term["input"] * term["weight"], term["contribution"])
            assert term["input"] == answer["h_fc1"][int(term["name"].split()[1])]


def test_the_strongest_terms_are_told(answer, weights, before_relu):
    """Each input map of h_conv2 taken away by itself: which moves the unit most?"""
    anatomy = dissect(answer, weights, "h_conv2", 17)
    row, column = anatomy["row"], anatomy["column"]
    assert anatomy["value"] == answer["h_conv2"][:, :, 17].max()
    kernel = weights(["h_conv2_kernel"], [])["h_conv2_kernel"][:, :, :, 17]
    padded = np.pad(answer["h_pool1"], ((2, 2), (2, 2), (0, 0)))
    moved = (padded[row : row + 5, column : column + 5] * kernel).sum((0, 1))
    strongest = np.argsort(-np.abs(moved))[: STRONGEST["h_conv2"]]
    assert [t["name"] for t in anatomy["terms"]] == [f"map {i} of h_pool1" for i in strongest]
    assert anatomy["others"] == 32 - STRONGEST["h_conv2"]


@pytest.mark.parametrize(("name", "before"), [("h_pool1", "h_conv1"), ("h_pool2", "h_conv2")])
def test_a_pool_tells_which_of_four_won(answer, weights, name, before):
    for index, row, column in units(name, np.random.default_rng(4)):
        anatomy = dissect(answer, weights, name, index, row, column)
        [grid] = anatomy["grids"]
        four = answer[before][2 * row : 2 * row + 2, 2 * column : 2 * column + 2, index]
        np.testing.assert_array_equal(grid["numbers"], four)
        y, x = grid["winner"]
        assert four[y, x] == four.max() == anatomy["value"] == answer[name][row, column, index]


def test_there_is_no_such_unit(answer, weights):
    for layer, *place in (
        *(("h_conv1", 32, 0, 0), ("h_conv2", 0, 14, 0), ("h_fc1", 1, 0, 0), ("logits", 10)),
        *(("images", 0, 0, 0), ("h_conv1", -1), ("h_conv1", True), ("h_conv1", 0, 0, "0")),
    ):
        with pytest.raises(RequestError):
            dissect(answer, weights, layer, *place)
