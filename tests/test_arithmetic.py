"""Decompositions of units: their terms add up to the activations of the model server."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from demo.arithmetic import ACTIVATIONS, MAX_TERMS, MAX_TERMS_WITH_PICTURES, Unit, decompose
from demo.description import read_description
from demo.network import ExposedNetwork, Parameters
from model.network import build_network
from model.weights import RELEASED, find_snapshots, load_snapshot
from serving.client import ServingError
from tests.exposed_zoo import KINDS, exposed

OPAQUE = ("input", "rescaling", "other")  # kinds that are not decomposed
CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # single precision, in another order of summation


class Digit:
    """The activations of a digit, and the decompositions of its units."""

    def __init__(self, client, digit: np.ndarray):
        self.network, self.drawing = ExposedNetwork(client), digit[:, :, None]
        [inference] = self.network.infer(self.drawing[None], ())
        self.description = inference.description
        self.layers = {layer.name: layer for layer in inference.description.layers}
        self.truth = {name: self.activations(layer) for name, layer in self.layers.items()}

    def activations(self, layer) -> np.ndarray:
        return self.network.activations(self.drawing, layer, self.description.version)

    def parameters(self, layer, map: int) -> Parameters:
        return self.network.parameters(layer, map, self.description.version)

    def decompose(self, name: str, map: int, row: int, column: int, bias: float = 0.0):
        """Decomposes a unit, with a number added to its bias."""

        def activations(layer) -> np.ndarray:
            return self.truth[layer.name]

        def parameters(layer, map: int) -> Parameters:
            parameters = self.parameters(layer, map)
            return parameters._replace(bias=parameters.bias + bias)

        layer = self.layers[name]
        return decompose(Unit(self.description, layer, map, row, column, activations, parameters))


@pytest.fixture(scope="module")
def digit(client, digits) -> Digit:
    return Digit(client, digits[0][4321])


@pytest.fixture(scope="module")
def before_relu(digit, final_version) -> dict[str, np.ndarray]:
    """Keras's own values before each ReLU, for the same image."""
    network = build_network()
    load_snapshot(network, find_snapshots(RELEASED)[final_version])
    for name in ("h_conv1", "h_conv2", "h_fc1"):
        network.get_layer(name).activation = None
    truth = digit.truth
    sums = {"h_conv1": network.get_layer("h_conv1")(truth["input"][None, ..., None])[0].numpy()}
    for name, source in (("h_conv2", "h_pool1"), ("h_fc1", "h_pool2")):
        inputs = truth[source][None] if name == "h_conv2" else truth[source].reshape(1, -1)
        sums[name] = network.get_layer(name)(inputs)[0].numpy()
    return sums


def units(digit: Digit, name: str, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Units (map, row, column) in the corners, where padding matters, and at random."""
    layer = digit.layers[name]
    ends = layer.count, layer.height, layer.width
    maps, bottom, right = (end - 1 for end in ends)
    corners = [(0, 0, 0), (maps, bottom, right), (0, 0, right), (0, bottom, 0)]
    return corners + [tuple(map(int, rng.integers(ends))) for _ in range(12)]


def sum_of(unit) -> float:
    terms = sum(term["contribution"] for term in unit["terms"])
    products = np.sum(unit["grids"][-1]["numbers"]) if unit["grids"] else 0
    return terms + products + unit.get("rest", 0) + unit["bias"]


@pytest.mark.parametrize("name", ["h_conv1", "h_conv2", "h_fc1"])
def test_terms_add_up_to_the_activation(digit, before_relu, name):
    values = digit.truth[name]
    assert values.shape == before_relu[name].shape
    for index, row, column in units(digit, name, np.random.default_rng(3)):
        unit = digit.decompose(name, index, row, column)
        position = (row * 32 + column,) if name == "h_fc1" else (row, column, index)
        np.testing.assert_allclose(unit["sum"], before_relu[name][position], **CLOSE)
        np.testing.assert_allclose(sum_of(unit), unit["sum"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(max(0, unit["sum"]), values[position], **CLOSE)
        assert unit["value"] == values[position]
        assert unit["activation"] == "relu"
        assert (unit["row"], unit["column"]) == (row, column)


def test_first_convolution_is_patch_times_kernel(digit, final_version):
    weights = load_file(find_snapshots(RELEASED)[final_version])
    patch, kernel, products = (
        np.array(grid["numbers"]) for grid in digit.decompose("h_conv1", 3, 13, 14)["grids"]
    )
    np.testing.assert_array_equal(patch, digit.truth["input"][11:16, 12:17])
    assert weights["h_conv1.kernel"].shape == (5, 5, 1, 32)
    np.testing.assert_allclose(kernel, weights["h_conv1.kernel"][:, :, 0, 3], atol=1e-6)
    np.testing.assert_allclose(products, patch * kernel)
    corner = np.array(digit.decompose("h_conv1", 3, 0, 27)["grids"][0]["numbers"])
    np.testing.assert_array_equal(corner[:2], 0)
    np.testing.assert_array_equal(corner[:, 3:], 0)


def test_scores_add_up(digit):
    for label in range(10):
        row, column = divmod(label, digit.layers["logits"].width)
        unit = digit.decompose("logits", 0, row, column)
        np.testing.assert_allclose(unit["sum"], digit.truth["logits"][label], **CLOSE)
        np.testing.assert_allclose(sum_of(unit), unit["sum"], rtol=0, atol=1e-12)
        assert len(unit["terms"]) == MAX_TERMS
        for term in unit["terms"]:
            np.testing.assert_allclose(term["input"] * term["weight"], term["contribution"])
            index = term["name"]["values"]["unit"]
            assert term["input"] == digit.truth["h_fc1"][index]
            assert term["at"] == {"layer": 5, "map": 0, "row": index // 32, "column": index % 32}


def test_strongest_terms_are_listed(digit):
    """Compares with the contribution of each input map of h_conv2, computed alone."""
    row, column = 6, 7
    unit = digit.decompose("h_conv2", 17, row, column)
    kernel = digit.parameters(digit.layers["h_conv2"], 17).kernel
    padded = np.pad(digit.truth["h_pool1"], ((2, 2), (2, 2), (0, 0)))
    contributions = (padded[row : row + 5, column : column + 5] * kernel).sum((0, 1))
    strongest = np.argsort(-np.abs(contributions))[:MAX_TERMS_WITH_PICTURES]
    names = [t["name"]["text"].format(**t["name"]["values"]) for t in unit["terms"]]
    assert names == [f"map {i} of h_pool1" for i in strongest]
    assert [t["at"] for t in unit["terms"]] == [{"layer": 2, "map": i} for i in strongest]
    assert unit["others"] == 32 - MAX_TERMS_WITH_PICTURES


@pytest.mark.parametrize(("name", "before"), [("h_pool1", "h_conv1"), ("h_pool2", "h_conv2")])
def test_max_pooling_names_the_maximum(digit, name, before):
    truth = digit.truth
    for index, row, column in units(digit, name, np.random.default_rng(4)):
        unit = digit.decompose(name, index, row, column)
        [grid], [term] = unit["grids"], unit["terms"]
        four = truth[before][2 * row : 2 * row + 2, 2 * column : 2 * column + 2, index]
        np.testing.assert_array_equal(grid["numbers"], four)
        y, x = grid["winner"]
        assert four[y, x] == four.max() == unit["value"] == truth[name][row, column, index]
        assert term["contribution"] == four.max()
        at = {"map": index, "row": 2 * row + y, "column": 2 * column + x}
        assert term["at"] == {"layer": digit.layers[before].index, **at}


@pytest.mark.parametrize("name", ["h_conv1", "h_conv2", "h_fc1", "logits"])
def test_sum_that_does_not_match_is_omitted(digit, name):
    """For example where a layer computes something else than its kind says."""
    layer = digit.layers[name]
    values = digit.truth[name].reshape(*layer.size, -1) if not layer.units else None
    if values is not None:
        row, column = np.unravel_index(values[:, :, 5].argmax(), layer.size)
        position = 5, int(row), int(column)
    else:
        position = 0, *divmod(int(digit.truth[name].argmax()), layer.width)
    assert "sum" in digit.decompose(name, *position)
    unit = digit.decompose(name, *position, bias=0.5)
    assert "sum" not in unit
    assert unit["terms"] == unit["grids"] == []
    assert unit["value"] == digit.decompose(name, *position)["value"]


def test_input_has_no_sum(digit):
    unit = digit.decompose("input", 0, 13, 14)
    assert unit["value"] == digit.truth["input"][13, 14]
    assert "sum" not in unit


def test_missing_parameters_raise(digit):
    def refuse(*_: object) -> Parameters:
        raise ServingError("the server does not answer")

    layer = digit.layers["h_conv2"]
    with pytest.raises(ServingError):
        decompose(Unit(digit.description, layer, 0, 0, 0, digit.activations, refuse))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "large"])
def test_every_kind_of_layer_adds_up(kind):
    """Units of all layers marked exact add up to the exported model's activations."""
    model = exposed(kind)
    description = read_description(json.dumps(model.description), kind, 1, frozenset())
    picture, rng = model.pictures(1, seed=3), np.random.default_rng(1)
    truth = {
        layer.name: model.ask("layer", pictures=picture, layer=layer.index)["activations"][0]
        for layer in description.layers
    }

    def activations(layer) -> np.ndarray:
        return truth[layer.name]

    def parameters(layer, map: int) -> Parameters:
        outputs = model.ask("parameters", layer=layer.index, map=map)
        return Parameters(outputs["kernel"], float(outputs["bias"]), outputs["feature"])

    for layer in description.layers:
        for _ in range(6):
            if layer.units:
                map, (row, column) = 0, divmod(int(rng.integers(layer.units)), layer.width)
                value = truth[layer.name][row * layer.width + column]
            else:
                ends = layer.count, *layer.size
                map, row, column = (int(rng.integers(end)) for end in ends)
                value = truth[layer.name].reshape(*layer.size, -1)[row, column, map]
            unit = decompose(Unit(description, layer, map, row, column, activations, parameters))
            assert unit["value"] == value
            assert ("sum" in unit) == (layer.is_exact and layer.kind not in OPAQUE), layer.name
            if "sum" in unit and layer.activation in ACTIVATIONS:
                activation = ACTIVATIONS[layer.activation](unit["sum"])
                np.testing.assert_allclose(activation, value, rtol=1e-3, atol=1e-4)
            if "bias" in unit:
                np.testing.assert_allclose(sum_of(unit), unit["sum"], atol=1e-9)
