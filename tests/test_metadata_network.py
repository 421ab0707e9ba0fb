"""Servables without a description, exported with plain TensorFlow.

The expected maps are numpy averages of the outputs that the same functions have in TensorFlow.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from demo.errors import RequestError
from demo.metadata_network import MetadataNetwork
from demo.network import ExposedNetwork, Network
from demo.networks import Networks
from serving.client import Client, ModelNotLoaded, RequestRefused
from tests.forked import ForkedServer

pytestmark = pytest.mark.slow
NAMES = ("colour", "grey", "files", "many", "text", "half")
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


class Linear(tf.Module):
    """Maps that are weighted sums of channels, and scores that are weighted sums of means."""

    def __init__(self, channels: int, maps: int, classes: int, seed: int):
        rng = np.random.default_rng(seed)
        self.maps = tf.Variable(rng.normal(size=(channels, maps)).astype(np.float32))
        self.scores = tf.Variable(rng.normal(size=(maps, classes)).astype(np.float32))

    def __call__(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        maps = tf.einsum("nhwc,cm->nhwm", images, self.maps)
        return {"maps": maps, "scores": tf.reduce_mean(maps, [1, 2]) @ self.scores}


COLOUR, GREY, FILES = Linear(3, 70, 12, 1), Linear(1, 5, 10, 2), Linear(3, 2, 4, 3)


@tf.function(input_signature=[tf.TensorSpec([None, 60, 50, 3], tf.float32, "photographs")])
def predict(photographs):
    answers = COLOUR(photographs)
    return {
        "all_maps": answers["maps"],
        "b_long": tf.tile(answers["maps"][..., :3], [1, 2, 1, 1])[:, :113],
        "small": answers["maps"][:, ::20, ::10, :2],
        "scores": answers["scores"],
        "steps": answers["maps"][:, 0],  # of rank 3
        "largest": tf.reduce_max(answers["scores"], axis=1),  # of rank 1
    }


@tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.uint8, "pixels")])
def read_digits(pixels):
    answers = GREY(tf.cast(pixels, tf.float32)[..., None])
    return {"maps": answers["maps"], "chances": tf.nn.softmax(answers["scores"] / 100)}


@tf.function(input_signature=[tf.TensorSpec([None], tf.string, "files")])
def classify_files(files):
    def unpack(file):
        return tf.cast(tf.io.decode_png(file, channels=3), tf.float32) / 255

    form = tf.TensorSpec([None, None, 3], tf.float32)
    images = tf.map_fn(unpack, files, fn_output_signature=form)
    return {"chances": tf.nn.softmax(FILES(images)["scores"])}


@tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.float64, "x")])
def of_any_size(x):
    return {"doubled": 2 * x}


@tf.function(input_signature=[tf.TensorSpec([None, 4, 6, 3], tf.float32, "x")])
def of_four_by_six(x):
    return {"same": x}


@tf.function(input_signature=[tf.TensorSpec([None, 5], tf.float32, "features")])
def of_numbers(features):
    return {"sum": tf.reduce_sum(features, axis=1)}


@tf.function(
    input_signature=[
        tf.TensorSpec([None, 8, 8, 3], tf.float32, "left"),
        tf.TensorSpec(None, tf.string, "right"),
    ]
)
def of_two(left, right):
    return {"left": left, "right": right}


@tf.function(input_signature=[tf.TensorSpec([None, 9, 9, 1], tf.float16, "x")])
def of_half(x):
    return {"maps": x * tf.constant(0.5, tf.float16)}


SIGNATURES = {
    "colour": {"serving_default": predict},
    "grey": {"read_digits": read_digits},
    "files": {"classify_files": classify_files},
    "many": {
        "z_any": of_any_size,
        "b_files": classify_files,
        "no_picture": of_numbers,
        "serving_default": of_four_by_six,
    },
    "text": {"numbers": of_numbers, "two": of_two},
    "half": {"halve": of_half},
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory) -> Iterator[dict[str, Client]]:
    """Clients of one server with all servables."""
    folder: Path = tmp_path_factory.mktemp("plain")
    configs = []
    for name, signatures in SIGNATURES.items():
        module = tf.Module()
        module.parts = [COLOUR, GREY, FILES]
        module.functions = list(signatures.values())
        tf.saved_model.save(module, str(folder / name / "3"), signatures)
        configs.append(
            f'config {{ name: "{name}" base_path: "{folder / name}" model_platform: "tensorflow" }}'
        )
    file = folder / "models.config"
    file.write_text(f"model_config_list {{ {' '.join(configs)} }}")
    with ExitStack() as stack:
        server = stack.enter_context(
            ForkedServer(folder / "text", "text", flags=(f"--model_config_file={file}",))
        )
        found = {name: stack.enter_context(Client(server.target, name)) for name in NAMES}
        for client in found.values():
            client.wait_until_ready(60)
        yield found


@pytest.fixture
def networks(clients) -> Networks:
    return Networks(clients)


def picture_of(height: int, width: int, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(height)
    return rng.integers(0, 256, (height, width, channels)).astype(np.uint8)


def averaged(maps: np.ndarray, down: int, across: int) -> np.ndarray:
    """The mean of each block; blocks at the border may be smaller."""
    height, width, count = maps.shape
    means = np.empty((math.ceil(height / down), math.ceil(width / across), count))
    for y, x in np.ndindex(means.shape[:2]):
        block = maps[y * down : (y + 1) * down, x * across : (x + 1) * across]
        means[y, x] = block.mean(axis=(0, 1))
    return means


def names_of(network: Network) -> list[str]:
    return [layer.name for layer in network.description().layers]


def test_maps_are_selected_and_averaged(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    assert isinstance(network, MetadataNetwork)
    assert network.description().input == ("picture", 60, 50, 3)
    assert names_of(network) == ["input", "all_maps", "b_long", "small"]
    truth = predict(tf.constant(picture[None] / np.float32(255)))
    [inference] = network.infer(picture[None], range(4))
    assert inference.version == inference.description.version == 3
    selection = [index * 70 // 64 for index in range(64)]
    expected = {
        0: (picture, (2, 1), [0, 1, 2]),
        1: (truth["all_maps"][0].numpy(), (2, 1), selection),
        2: (truth["b_long"][0].numpy(), (3, 1), [0, 1, 2]),
        3: (truth["small"][0].numpy(), (1, 1), [0, 1]),
    }
    for index, (activations, blocks, maps) in expected.items():
        layer = inference.description.layers[index]
        assert (layer.maps, layer.blocks) == (tuple(maps), blocks)
        assert (layer.is_exact, layer.receptive_field, layer.sources) == (False, None, ())
        means = averaged(activations.astype(float)[:, :, maps], *blocks)
        np.testing.assert_allclose(inference.maps[index], means, **CLOSE)
        shown = activations[:, :, maps]
        ends = shown.min(axis=(0, 1)), shown.max(axis=(0, 1))
        np.testing.assert_allclose(inference.ranges[index], np.stack(ends, axis=1), **CLOSE)
        np.testing.assert_allclose(network.activations(picture, layer, 3), activations, **CLOSE)


def test_scores_are_the_models_output(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    truth = predict(tf.constant(picture[None] / np.float32(255)))["scores"][0]
    [inference] = network.infer(picture[None], ())
    np.testing.assert_allclose(inference.scores, truth, **CLOSE)
    assert inference.probabilities is None  # they do not add up to 1
    scores = inference.description.scores
    assert (scores.classes, scores.labels, scores.confidence_threshold) == (12, (), None)
    assert inference.maps == {}


def test_drawing_is_sent_as_bytes(networks, digits):
    network, drawing = networks.find("grey"), digits[0][777, :, :, None]
    assert network.description().input == ("drawing", 28, 28, 1)
    truth = read_digits(tf.constant(drawing[None, :, :, 0]))
    [inference] = network.infer(drawing[None], [1])
    np.testing.assert_allclose(inference.maps[1], truth["maps"][0], **CLOSE)
    np.testing.assert_allclose(inference.scores, truth["chances"][0], **CLOSE)
    np.testing.assert_array_equal(inference.probabilities, inference.scores)
    assert network.choices == ["read_digits"]
    assert "grey:read_digits" not in networks.names


def test_drawing_is_resized_to_the_input(networks, digits):
    network = networks.find("grey")
    drawing = digits[0][777].repeat(4, axis=0).repeat(4, axis=1)[:, :, None]  # 112x112
    [large] = network.infer(drawing[None], [0])
    assert np.abs(large.maps[0][:, :, 0] - digits[0][777].astype(float)).mean() < 8


def test_picture_is_sent_as_a_file(networks):
    network, picture = networks.find("files"), picture_of(224, 224)
    assert network.description().input == ("picture", 224, 224, 3)
    truth = classify_files(tf.constant([tf.io.encode_png(picture).numpy()]))["chances"][0]
    [inference] = network.infer(picture[None], [0])
    np.testing.assert_allclose(inference.probabilities, truth, **CLOSE)
    np.testing.assert_allclose(inference.maps[0], averaged(picture.astype(float), 4, 4), **CLOSE)
    assert names_of(network) == ["input"]


def test_wide_picture_is_cropped_to_its_centre(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    wide = np.pad(picture, ((0, 0), (20, 20), (0, 0)), constant_values=77)
    high = np.pad(picture, ((15, 15), (0, 0), (0, 0)), constant_values=77)
    layer = network.description().layers[1]
    whole = network.activations(picture, layer, 3)
    for around in (wide, high):
        np.testing.assert_allclose(network.activations(around, layer, 3), whole, **CLOSE)


@pytest.mark.parametrize("pixels", [(-1.0, 1.0), (0.0, 255.0), (1.0, 0.0)])
def test_pixels_set_the_values_of_black_and_white(clients, pixels):
    network, picture = Networks(clients, pixels).find("many"), picture_of(4, 6)
    low, high = pixels
    [inference] = network.infer(picture[None], [1])
    np.testing.assert_allclose(inference.maps[1], low + picture / 255 * (high - low), **CLOSE)


def test_all_usable_signatures_can_be_chosen(networks):
    assert networks.first == "colour"
    assert networks.names == list(NAMES)  # signatures are listed once known
    network = networks.find("many")
    assert network.choices == ["serving_default", "b_files", "z_any"]
    assert networks.names == [
        *("colour", "grey", "files", "many", "many:b_files", "many:z_any", "text", "half")
    ]
    assert networks.known("many:z_any") is None
    picture = picture_of(224, 224)
    for name, size, title in (
        ("many", (4, 6, 3), "many, serving_default"),
        ("many:b_files", (224, 224, 3), "many, b_files"),
        ("many:z_any", (224, 224, 3), "many, z_any"),
    ):
        network = networks.find(name)
        assert networks.find(name) is networks.known(name) is network
        assert network.description().input[1:] == size
        assert network.description().title == title
    [inference] = networks.find("many:z_any").infer(picture[None], [1])
    assert inference.description.layers[0].shape == (224, 224, 1)
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    np.testing.assert_allclose(
        inference.maps[1][:, :, 0], averaged(grey[..., None] / 127.5, 4, 4)[..., 0], **CLOSE
    )


def test_signatures_without_a_picture_input_are_explained(networks):
    with pytest.raises(RequestRefused) as caught:
        networks.find("text")
    assert str(caught.value) == (
        "text has no signature that takes one picture: numbers takes features float [any, 5]; two "
        "takes left float [any, 8, 8, 3], right string of any rank. Expected is one input of "
        "numbers of rank 3 or 4, with 1 or 3 channels last, or of picture files."
    )
    for name in ("no_picture", "nothing"):
        with pytest.raises(RequestRefused) as caught:
            networks.find(f"many:{name}")
        assert str(caught.value) == (
            f"many has no signature {name} that takes one picture; those that do are "
            "serving_default, b_files, z_any."
        )


def test_float16_input_is_supported(networks):
    network = networks.find("half")
    assert network.description().input == ("drawing", 9, 9, 1)
    picture = picture_of(9, 9, 1)
    [inference] = network.infer(picture[None], [1])
    np.testing.assert_allclose(inference.maps[1], picture / 510, atol=1e-3)


def test_missing_features_are_refused(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    description = network.description()
    assert description.signatures == frozenset()
    with pytest.raises(RequestRefused, match="colour has no signature that returns parameters"):
        network.parameters(description.layers[1], 0, 3)
    with pytest.raises(RequestRefused, match="colour has no signature that explains"):
        network.explain(picture, 1, 3)
    with pytest.raises(RequestError, match="colour has no layer 4"):
        network.infer(picture[None], [4])
    with pytest.raises(ModelNotLoaded):
        network.infer(picture[None], (), version=7)


def test_model_with_a_description_is_an_exposed_network(client, clients):
    networks = Networks({"mnist": client, "grey": clients["grey"]})
    assert isinstance(networks.find("mnist"), ExposedNetwork)
    assert networks.names == ["mnist", "grey"]
    with pytest.raises(KeyError):
        networks.find("colour")


def test_description_that_fails_once_is_requested_again(client, monkeypatch):
    """For example after the server was out of memory: metadata are no replacement."""
    networks, describe = Networks({"mnist": client}), ExposedNetwork.description

    def refuse(*_: object) -> None:
        raise RequestRefused("The model server refused the request (INTERNAL): no memory")

    monkeypatch.setattr(ExposedNetwork, "description", refuse)
    with pytest.raises(RequestRefused, match="no memory"):
        networks.find("mnist")
    monkeypatch.setattr(ExposedNetwork, "description", describe)
    assert isinstance(networks.find("mnist"), ExposedNetwork)


def test_missing_model_is_looked_up_again(clients):
    networks = Networks({"cats": Client(clients["grey"].target, "cats")})
    for _ in range(2):
        with pytest.raises(ModelNotLoaded):
            networks.find("cats")
    assert networks.known("cats") is None
