"""The network against NumPy."""

import keras
import numpy as np
import pytest

from model.network import build_network

LAYERS = ("h_conv1", "h_pool1", "h_conv2", "h_pool2", "h_fc1", "logits")


@pytest.fixture(scope="module")
def network():
    return build_network()


@pytest.fixture(scope="module")
def answers(network):
    image = np.random.default_rng(2).random((1, 28, 28), np.float32)
    outputs = {name: network.get_layer(name).output for name in LAYERS}
    layers = keras.Model(network.input, outputs)(image, training=False)
    return {"images": image, **{name: tensor.numpy() for name, tensor in layers.items()}}


def convolve(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Applies a 5x5 SAME convolution and ReLU: [H, W, I] with [5, 5, I, O] to [H, W, O]."""
    height, width, _ = maps.shape
    padded = np.pad(maps, ((2, 2), (2, 2), (0, 0)))
    total = np.zeros((height, width, kernel.shape[-1]))
    for row in range(5):
        for column in range(5):
            total += padded[row : row + height, column : column + width] @ kernel[row, column]
    return np.maximum(total + bias, 0)


def pool(maps: np.ndarray) -> np.ndarray:
    height, width, count = maps.shape
    return maps.reshape(height // 2, 2, width // 2, 2, count).max(axis=(1, 3))


def test_network_has_as_many_parameters_as_the_tutorial(network):
    assert network.count_params() == 3_274_634


def test_layers_equal_numpy(network, answers):
    weights = {layer.name: layer.get_weights() for layer in network.layers}
    h_conv1 = convolve(answers["images"][0][..., None], *weights["h_conv1"])
    h_pool1 = pool(h_conv1)
    h_conv2 = convolve(h_pool1, *weights["h_conv2"])
    h_pool2 = pool(h_conv2)
    kernel, bias = weights["h_fc1"]
    h_fc1 = np.maximum(h_pool2.reshape(-1) @ kernel + bias, 0)
    kernel, bias = weights["logits"]
    expected = {
        "h_conv1": h_conv1,
        "h_pool1": h_pool1,
        "h_conv2": h_conv2,
        "h_pool2": h_pool2,
        "h_fc1": h_fc1,
        "logits": h_fc1 @ kernel + bias,
    }
    for name, activations in expected.items():
        np.testing.assert_allclose(
            answers[name][0], activations, rtol=1e-3, atol=1e-4, err_msg=name
        )


def test_dropout_applies_only_in_training(network):
    image = np.ones((1, 28, 28), np.float32)
    assert np.array_equal(network(image, training=False), network(image, training=False))
    assert not np.array_equal(network(image, training=True), network(image, training=True))
