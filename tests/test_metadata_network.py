"""Servables that do not describe themselves, exported by TensorFlow alone, as the page reads them.

What is shown is held against numpy's own averages of what the model itself answers in TensorFlow.
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
from serving.local import LocalServer

pytestmark = pytest.mark.slow
NAMES = ("colour", "grey", "files", "many", "text", "half")
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


class Linear(tf.Module):
    """Maps of any size as sums of the input's channels; nothing that a page could guess."""

    def __init__(self, channels: int, maps: int, classes: int, seed: int):
        chance = np.random.default_rng(seed)
        self.maps = tf.Variable(chance.normal(size=(channels, maps)).astype(np.float32))
        self.scores = tf.Variable(chance.normal(size=(maps, classes)).astype(np.float32))

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
    """Of one server that has all of them."""
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
            LocalServer(folder / "text", "text", flags=(f"--model_config_file={file}",))
        )
        found = {name: stack.enter_context(Client(server.target, name)) for name in NAMES}
        for client in found.values():
            client.wait_until_ready(60)
        yield found


@pytest.fixture
def networks(clients) -> Networks:
    return Networks(clients)


def picture_of(height: int, width: int, channels: int = 3) -> np.ndarray:
    chance = np.random.default_rng(height)
    return chance.integers(0, 256, (height, width, channels)).astype(np.uint8)


def averaged(maps: np.ndarray, down: int, across: int) -> np.ndarray:
    """Each block's own mean, of fewer units at the border, one by one."""
    height, width, count = maps.shape
    small = np.empty((math.ceil(height / down), math.ceil(width / across), count))
    for y, x in np.ndindex(small.shape[:2]):
        block = maps[y * down : (y + 1) * down, x * across : (x + 1) * across]
        small[y, x] = block.mean(axis=(0, 1))
    return small


def names_of(network: Network) -> list[str]:
    return [layer.name for layer in network.description().layers]


def test_maps_are_a_selection_of_the_models_own_and_small(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    assert isinstance(network, MetadataNetwork)
    assert network.description().input == ("picture", 60, 50, 3)
    assert names_of(network) == ["input", "all_maps", "b_long", "small"]
    truth = predict(tf.constant(picture[None] / np.float32(255)))
    [seen] = network.infer(picture[None], range(4))
    assert seen.version == seen.description.version == 3
    selection = [index * 70 // 64 for index in range(64)]
    expected = {
        0: (picture, (2, 1), [0, 1, 2]),
        1: (truth["all_maps"][0].numpy(), (2, 1), selection),
        2: (truth["b_long"][0].numpy(), (3, 1), [0, 1, 2]),
        3: (truth["small"][0].numpy(), (1, 1), [0, 1]),
    }
    for index, (full, blocks, maps) in expected.items():
        layer = seen.description.layers[index]
        assert (layer.maps, layer.blocks) == (tuple(maps), blocks)
        assert (layer.is_exact, layer.receptive_field, layer.sources) == (False, None, ())
        shown = averaged(full.astype(float)[:, :, maps], *blocks)
        np.testing.assert_allclose(seen.maps[index], shown, **CLOSE)
        ends = full[:, :, maps].min(axis=(0, 1)), full[:, :, maps].max(axis=(0, 1))
        np.testing.assert_allclose(seen.ranges[index], np.stack(ends, axis=1), **CLOSE)
        np.testing.assert_allclose(network.activations(picture, layer, 3), full, **CLOSE)


def test_scores_are_the_models_own(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    truth = predict(tf.constant(picture[None] / np.float32(255)))["scores"][0]
    [seen] = network.infer(picture[None], ())
    np.testing.assert_allclose(seen.scores, truth, **CLOSE)
    assert seen.probabilities is None  # they do not add up to 1
    scores = seen.description.scores
    assert (scores.classes, scores.labels, scores.confidence_threshold) == (12, (), None)
    assert seen.maps == {}


def test_a_drawing_goes_in_as_the_bytes_that_it_is(networks, digits):
    network, drawing = networks.find("grey"), digits[0][777, :, :, None]
    assert network.description().input == ("drawing", 28, 28, 1)
    truth = read_digits(tf.constant(drawing[None, :, :, 0]))
    [seen] = network.infer(drawing[None], [1])
    np.testing.assert_allclose(seen.maps[1], truth["maps"][0], **CLOSE)
    np.testing.assert_allclose(seen.scores, truth["chances"][0], **CLOSE)
    np.testing.assert_array_equal(seen.probabilities, seen.scores)
    assert network.choices == ["read_digits"]
    assert "grey:read_digits" not in networks.names


def test_a_drawing_is_brought_to_the_models_size(networks, digits):
    network = networks.find("grey")
    drawing = digits[0][777].repeat(4, axis=0).repeat(4, axis=1)[:, :, None]  # 112x112
    [large] = network.infer(drawing[None], [0])
    assert np.abs(large.maps[0][:, :, 0] - digits[0][777].astype(float)).mean() < 8


def test_a_picture_goes_in_as_a_file(networks):
    network, picture = networks.find("files"), picture_of(224, 224)
    assert network.description().input == ("picture", 224, 224, 3)
    truth = classify_files(tf.constant([tf.io.encode_png(picture).numpy()]))["chances"][0]
    [seen] = network.infer(picture[None], [0])
    np.testing.assert_allclose(seen.probabilities, truth, **CLOSE)
    np.testing.assert_allclose(seen.maps[0], averaged(picture.astype(float), 4, 4), **CLOSE)
    assert names_of(network) == ["input"]


def test_a_wide_picture_is_cut_to_its_middle(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    wide = np.pad(picture, ((0, 0), (20, 20), (0, 0)), constant_values=77)
    high = np.pad(picture, ((15, 15), (0, 0), (0, 0)), constant_values=77)
    layer = network.description().layers[1]
    whole = network.activations(picture, layer, 3)
    for around in (wide, high):
        np.testing.assert_allclose(network.activations(around, layer, 3), whole, **CLOSE)


@pytest.mark.parametrize("pixels", [(-1.0, 1.0), (0.0, 255.0), (1.0, 0.0)])
def test_what_stands_for_black_and_white_can_be_said(clients, pixels):
    network, picture = Networks(clients, pixels).find("many"), picture_of(4, 6)
    low, high = pixels
    [seen] = network.infer(picture[None], [1])
    np.testing.assert_allclose(seen.maps[1], low + picture / 255 * (high - low), **CLOSE)


def test_several_signatures_are_named_to_choose_from(networks):
    assert networks.first == "colour"
    assert networks.names == list(NAMES)  # as far as they are known
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
    [seen] = networks.find("many:z_any").infer(picture[None], [1])
    assert seen.description.layers[0].shape == (224, 224, 1)
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    np.testing.assert_allclose(
        seen.maps[1][:, :, 0], averaged(grey[..., None] / 127.5, 4, 4)[..., 0], **CLOSE
    )


def test_what_takes_no_picture_is_said_with_what_it_takes(networks):
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


def test_half_numbers_are_numbers_too(networks):
    network = networks.find("half")
    assert network.description().input == ("drawing", 9, 9, 1)
    picture = picture_of(9, 9, 1)
    [seen] = network.infer(picture[None], [1])
    np.testing.assert_allclose(seen.maps[1], picture / 510, atol=1e-3)


def test_what_nobody_tells_is_not_known(networks):
    network, picture = networks.find("colour"), picture_of(60, 50)
    description = network.description()
    assert description.signatures == frozenset()
    with pytest.raises(RequestRefused, match="colour does not tell its parameters"):
        network.parameters(description.layers[1], 0, 3)
    with pytest.raises(RequestRefused, match="colour does not explain"):
        network.explain(picture, 1, 3)
    with pytest.raises(RequestError, match="colour has no layer 4"):
        network.infer(picture[None], [4])
    with pytest.raises(ModelNotLoaded):
        network.infer(picture[None], (), version=7)


def test_a_model_that_describes_itself_is_none_of_these(client, clients):
    networks = Networks({"mnist": client, "grey": clients["grey"]})
    assert isinstance(networks.find("mnist"), ExposedNetwork)
    assert networks.names == ["mnist", "grey"]
    with pytest.raises(KeyError):
        networks.find("colour")


def test_a_model_that_describes_itself_but_not_just_now_is_asked_again(client, monkeypatch):
    """As where its server has no memory at that moment; it does not become a stranger for good."""
    networks, describe = Networks({"mnist": client}), ExposedNetwork.description

    def refuse(*_: object) -> None:
        raise RequestRefused("The model server refused the request (INTERNAL): no memory")

    monkeypatch.setattr(ExposedNetwork, "description", refuse)
    with pytest.raises(RequestRefused, match="no memory"):
        networks.find("mnist")
    monkeypatch.setattr(ExposedNetwork, "description", describe)
    assert isinstance(networks.find("mnist"), ExposedNetwork)


def test_a_model_that_is_not_there_is_asked_for_again(clients):
    networks = Networks({"cats": Client(clients["grey"].target, "cats")})
    for _ in range(2):
        with pytest.raises(ModelNotLoaded):
            networks.find("cats")
    assert networks.known("cats") is None
