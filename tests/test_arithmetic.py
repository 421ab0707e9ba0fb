"""The arithmetic that is shown is the network's own: it adds up to what the server answered."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from demo.arithmetic import FUNCTIONS, STRONGEST, STRONGEST_WITH_PICTURES, Unit, dissect
from demo.description import read_description
from demo.network import ExposedNetwork, Parameters
from model.network import build_network, expose_layers
from model.weights import RELEASED, find_snapshots, load_snapshot
from serving.client import ServingError
from tests.exposed_zoo import KINDS, exposed

WHOLE = ("input", "rescaling", "other")  # kinds that are not taken apart
CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # single precision, summed in another order


class Taken:
    """A digit as the server reads it, and what takes its units apart."""

    def __init__(self, client, digit: np.ndarray):
        self.network, self.drawing = ExposedNetwork(client), digit[:, :, None]
        [seen] = self.network.infer(self.drawing[None], ())
        self.description = seen.description
        self.layers = {layer.name: layer for layer in seen.description.layers}
        self.answer = {name: self.full(layer) for name, layer in self.layers.items()}

    def full(self, layer) -> np.ndarray:
        return self.network.activations(self.drawing, layer, self.description.version)

    def parameters(self, layer, map: int) -> Parameters:
        return self.network.parameters(layer, map, self.description.version)

    def apart(self, name: str, map: int, row: int, column: int, **exchanged):
        """With some layers' activations, or a `bias`, exchanged for others."""
        bias = exchanged.pop("bias", 0.0)

        def full(layer) -> np.ndarray:
            return exchanged.get(layer.name, self.answer[layer.name])

        def parameters(layer, map: int) -> Parameters:
            made = self.parameters(layer, map)
            return made._replace(bias=made.bias + bias)

        layer = self.layers[name]
        return dissect(Unit(self.description, layer, map, row, column, full, parameters))


@pytest.fixture(scope="module")
def taken(client, digits) -> Taken:
    return Taken(client, digits[0][4321])


@pytest.fixture(scope="module")
def before_relu(taken, final_version) -> dict[str, np.ndarray]:
    """What Keras itself has before each ReLU, for the same image."""
    network = build_network()
    load_snapshot(network, find_snapshots(RELEASED)[final_version])
    for name in ("h_conv1", "h_conv2", "h_fc1"):
        network.get_layer(name).activation = None
    layers, answer = expose_layers(network), taken.answer
    sums = {"h_conv1": layers(answer["input"][None])["h_conv1"][0].numpy()}
    for name, source in (("h_conv2", "h_pool1"), ("h_fc1", "h_pool2")):
        inputs = answer[source][None] if name == "h_conv2" else answer[source].reshape(1, -1)
        sums[name] = network.get_layer(name)(inputs)[0].numpy()
    return sums


def units(taken: Taken, name: str, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Corners, where the border's zeros count, and some others: (map, row, column)."""
    layer = taken.layers[name]
    ends = layer.count, layer.height, layer.width
    maps, bottom, right = (end - 1 for end in ends)
    corners = [(0, 0, 0), (maps, bottom, right), (0, 0, right), (0, bottom, 0)]
    return corners + [tuple(map(int, rng.integers(ends))) for _ in range(12)]


def added_up(anatomy) -> float:
    told = sum(term["contribution"] for term in anatomy["terms"])
    grids = np.sum(anatomy["grids"][-1]["numbers"]) if anatomy["grids"] else 0
    return told + grids + anatomy.get("rest", 0) + anatomy["bias"]


@pytest.mark.parametrize("name", ["h_conv1", "h_conv2", "h_fc1"])
def test_the_terms_add_up_to_what_the_network_computed(taken, before_relu, name):
    values = taken.answer[name]
    assert values.shape == before_relu[name].shape
    for index, row, column in units(taken, name, np.random.default_rng(3)):
        anatomy = taken.apart(name, index, row, column)
        at = (row * 32 + column,) if name == "h_fc1" else (row, column, index)
        np.testing.assert_allclose(anatomy["sum"], before_relu[name][at], **CLOSE)
        np.testing.assert_allclose(added_up(anatomy), anatomy["sum"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(max(0, anatomy["sum"]), values[at], **CLOSE)
        assert anatomy["value"] == values[at]
        assert anatomy["activation"] == "relu"
        assert (anatomy["row"], anatomy["column"]) == (row, column)


def test_the_arithmetic_of_the_first_convolution_is_patch_times_kernel(taken, final_version):
    weights = load_file(find_snapshots(RELEASED)[final_version])
    patch, kernel, products = (
        np.array(grid["numbers"]) for grid in taken.apart("h_conv1", 3, 13, 14)["grids"]
    )
    np.testing.assert_array_equal(patch, taken.answer["input"][11:16, 12:17])
    assert weights["h_conv1.kernel"].shape == (5, 5, 1, 32)
    np.testing.assert_allclose(kernel, weights["h_conv1.kernel"][:, :, 0, 3], atol=1e-6)
    np.testing.assert_allclose(products, patch * kernel)
    corner = np.array(taken.apart("h_conv1", 3, 0, 27)["grids"][0]["numbers"])
    np.testing.assert_array_equal(corner[:2], 0)
    np.testing.assert_array_equal(corner[:, 3:], 0)


def test_the_scores_add_up(taken):
    for digit in range(10):
        row, column = divmod(digit, taken.layers["logits"].width)
        anatomy = taken.apart("logits", 0, row, column)
        np.testing.assert_allclose(anatomy["sum"], taken.answer["logits"][digit], **CLOSE)
        np.testing.assert_allclose(added_up(anatomy), anatomy["sum"], rtol=0, atol=1e-12)
        assert len(anatomy["terms"]) == STRONGEST
        for term in anatomy["terms"]:
            np.testing.assert_allclose(term["input"] * term["weight"], term["contribution"])
            unit = int(term["name"].split()[1])
            assert term["input"] == taken.answer["h_fc1"][unit]
            assert term["at"] == {"layer": 5, "map": 0, "row": unit // 32, "column": unit % 32}


def test_the_strongest_terms_are_told(taken):
    """Each input map of h_conv2 taken away by itself: which moves the unit most?"""
    row, column = 6, 7
    anatomy = taken.apart("h_conv2", 17, row, column)
    kernel = taken.parameters(taken.layers["h_conv2"], 17).kernel
    padded = np.pad(taken.answer["h_pool1"], ((2, 2), (2, 2), (0, 0)))
    moved = (padded[row : row + 5, column : column + 5] * kernel).sum((0, 1))
    strongest = np.argsort(-np.abs(moved))[:STRONGEST_WITH_PICTURES]
    assert [t["name"] for t in anatomy["terms"]] == [f"map {i} of h_pool1" for i in strongest]
    assert [t["at"] for t in anatomy["terms"]] == [{"layer": 2, "map": i} for i in strongest]
    assert anatomy["others"] == 32 - STRONGEST_WITH_PICTURES


@pytest.mark.parametrize(("name", "before"), [("h_pool1", "h_conv1"), ("h_pool2", "h_conv2")])
def test_a_pool_tells_which_of_four_won(taken, name, before):
    answer = taken.answer
    for index, row, column in units(taken, name, np.random.default_rng(4)):
        anatomy = taken.apart(name, index, row, column)
        [grid], [term] = anatomy["grids"], anatomy["terms"]
        four = answer[before][2 * row : 2 * row + 2, 2 * column : 2 * column + 2, index]
        np.testing.assert_array_equal(grid["numbers"], four)
        y, x = grid["winner"]
        assert four[y, x] == four.max() == anatomy["value"] == answer[name][row, column, index]
        assert term["contribution"] == four.max()
        at = {"map": index, "row": 2 * row + y, "column": 2 * column + x}
        assert term["at"] == {"layer": taken.layers[before].index, **at}


@pytest.mark.parametrize("name", ["h_conv1", "h_conv2", "h_fc1", "logits"])
def test_a_sum_that_is_not_the_value_is_not_shown(taken, name):
    """As where a layer computes otherwise than its kind says: then the value alone is told."""
    layer = taken.layers[name]
    values = taken.answer[name].reshape(*layer.size, -1) if not layer.units else None
    if values is not None:
        row, column = np.unravel_index(values[:, :, 5].argmax(), layer.size)
        place = 5, int(row), int(column)
    else:
        place = 0, *divmod(int(taken.answer[name].argmax()), layer.width)
    assert "sum" in taken.apart(name, *place)
    anatomy = taken.apart(name, *place, bias=0.5)
    assert "sum" not in anatomy
    assert anatomy["terms"] == anatomy["grids"] == []
    assert anatomy["value"] == taken.apart(name, *place)["value"]


def test_the_input_has_nothing_to_add_up(taken):
    anatomy = taken.apart("input", 0, 13, 14)
    assert anatomy["value"] == taken.answer["input"][13, 14]
    assert "sum" not in anatomy


def test_without_its_weights_a_unit_is_not_taken_apart(taken):
    def refuse(*_: object) -> Parameters:
        raise ServingError("the server does not answer")

    layer = taken.layers["h_conv2"]
    with pytest.raises(ServingError):
        dissect(Unit(taken.description, layer, 0, 0, 0, taken.full, refuse))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "large"])
def test_units_of_every_kind_of_layer_add_up(kind):
    """Of all that is said to be exact, to what the exported model answers."""
    model = exposed(kind)
    told = read_description(json.dumps(model.description), kind, 1, frozenset())
    picture, chance = model.pictures(1, seed=3), np.random.default_rng(1)
    answers = {
        layer.name: model.ask("layer", pictures=picture, layer=layer.index)["activations"][0]
        for layer in told.layers
    }

    def parameters(layer, map: int) -> Parameters:
        made = model.ask("parameters", layer=layer.index, map=map)
        return Parameters(made["kernel"], float(made["bias"]), made["feature"])

    for layer in told.layers:
        for _ in range(6):
            if layer.units:
                map, (row, column) = 0, divmod(int(chance.integers(layer.units)), layer.width)
                value = answers[layer.name][row * layer.width + column]
            else:
                ends = layer.count, *layer.size
                map, row, column = (int(chance.integers(end)) for end in ends)
                value = answers[layer.name].reshape(*layer.size, -1)[row, column, map]
            unit = Unit(told, layer, map, row, column, lambda of: answers[of.name], parameters)
            anatomy = dissect(unit)
            assert anatomy["value"] == value
            assert ("sum" in anatomy) == (layer.is_exact and layer.kind not in WHOLE), layer.name
            if "sum" in anatomy and layer.activation in FUNCTIONS:
                got = FUNCTIONS[layer.activation](anatomy["sum"])
                np.testing.assert_allclose(got, value, rtol=1e-3, atol=1e-4)
            if "bias" in anatomy:
                np.testing.assert_allclose(added_up(anatomy), anatomy["sum"], atol=1e-9)
