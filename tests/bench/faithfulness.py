"""Measures the faithfulness of explanations: how fast the score falls as explained ink is removed.

The ink that contributes most to the predicted digit is removed first, in steps from a twentieth to
half of all ink. The score is the calibrated probability of that digit; lower is more faithful.
The baselines are plain gradients of the same log odds, and a random order.

python -m tests.bench.faithfulness
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model.calibration import softmax
from model.export import export_versions
from model.exposed.export import expose
from model.mnist import Mnist, load_mnist
from model.network import build_network
from model.weights import RELEASED, find_snapshots, load_snapshot
from serving.client import Client
from serving.local import LocalServer
from tests.conftest import FULL_MNIST
from tests.pages import ROOT

REMOVED = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)  # fractions of the ink
BATCH = 50  # drawings per request
DIGITS = 1000
OTHER_EPOCHS = 3


def measure_faithfulness(client: Client, digits: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the mean score after each step of `REMOVED`, [6], by attribution method.

    Args:
        client: client of a server with the released network.
        digits: uint8 [N, 28, 28].
    """
    network, temperature = _load_released()
    classes = np.concatenate([_predict(client, batch) for batch in _batches(digits)])
    return measure(network, temperature, digits, classes, _explain(client, digits, classes))


def measure(
    network: keras.Model,
    temperature: float,
    digits: np.ndarray,
    classes: np.ndarray,
    contributions: np.ndarray,
) -> dict[str, np.ndarray]:
    """The same for any network from [N, 28, 28] or [N, 28, 28, 1], 0 = paper, to logits.

    Args:
        network: the network that computes the score.
        temperature: its softmax temperature.
        digits: uint8 [N, 28, 28].
        classes: the predicted classes, int [N].
        contributions: the explanations of these classes, [N, 28, 28].
    """
    attributions = {
        "explain": contributions,
        "gradients": _plain_gradients(network, digits, classes),
        "chance": np.random.default_rng(0).uniform(size=digits.shape),
    }
    return {
        name: np.array(
            [
                _score(network, temperature, remaining, classes)
                for remaining in _remove_ink(digits, attribution)
            ]
        )
        for name, attribution in attributions.items()
    }


def _batches(array: np.ndarray) -> list[np.ndarray]:
    return [array[i : i + BATCH] for i in range(0, len(array), BATCH)]


def _predict(client: Client, digits: np.ndarray) -> np.ndarray:
    outputs = client.predict("sketch", {"drawings": digits}, outputs=["logits"])
    return outputs["logits"].argmax(axis=1)


def _explain(client: Client, digits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    contributions = []
    for drawings, predicted in zip(_batches(digits), _batches(classes)):
        inputs = {"drawings": drawings, "digits": predicted}
        outputs = client.predict("explain", inputs, outputs=["contributions"])
        contributions.append(outputs["contributions"])
    return np.concatenate(contributions)


def _plain_gradients(network: keras.Model, digits: np.ndarray, classes: np.ndarray) -> np.ndarray:
    images = tf.constant(digits / np.float32(255))
    with tf.GradientTape() as tape:
        tape.watch(images)
        probabilities = tf.nn.softmax(tf.cast(network(images, training=False), tf.float64))
        predicted = tf.gather(probabilities, classes, batch_dims=1)
        log_odds = tf.reduce_sum(tf.math.log(predicted) - tf.math.log1p(-predicted))
    return tape.gradient(log_odds, images).numpy()


def _remove_ink(digits: np.ndarray, attribution: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the digits after each step of `REMOVED`, highest attribution removed first."""
    ink = digits.reshape(len(digits), -1).astype(float)
    order = np.argsort(np.where(ink > 0, -attribution.reshape(ink.shape), np.inf), axis=1)
    sorted_ink = np.take_along_axis(ink, order, axis=1)
    before = (np.cumsum(sorted_ink, axis=1) - sorted_ink) / ink.sum(axis=1, keepdims=True)
    for fraction in REMOVED:
        remaining = np.empty_like(ink)
        np.put_along_axis(remaining, order, np.where(before < fraction, 0, sorted_ink), axis=1)
        yield remaining.reshape(digits.shape).astype(np.uint8)


def _score(
    network: keras.Model, temperature: float, digits: np.ndarray, classes: np.ndarray
) -> float:
    """Returns the mean probability of the classes.

    Runs in process, because the signature `sketch` would centre and rescale the remaining ink.
    """
    logits = network.predict(digits / np.float32(255), batch_size=500, verbose=0)
    return float(softmax(logits, temperature)[np.arange(len(classes)), classes].mean())


def _load_released() -> tuple[keras.Model, float]:
    snapshots = find_snapshots(RELEASED)
    network = build_network()
    return network, load_snapshot(network, snapshots[max(snapshots)])


def train_other(mnist: Mnist) -> keras.Model:
    """Trains another architecture: batch normalisation, residual connections, logits [N, 10]."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(32, 3, padding="same", use_bias=False)(inputs)
    for stride in (2, 2):
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        shortcut = keras.layers.Conv2D(32, 1, strides=stride)(x)
        x = keras.layers.Conv2D(32, 3, strides=stride, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.Conv2D(32, 3, padding="same")(x)
        x = keras.layers.Add()([x, shortcut])
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    network = keras.Model(inputs, keras.layers.Dense(10)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, jit_compile=False)
    images = mnist.train_images[..., None] / np.float32(255)
    network.fit(images, mnist.train_labels, batch_size=128, epochs=OTHER_EPOCHS, verbose=0)
    return network


def measure_other(mnist: Mnist, digits: np.ndarray) -> dict[str, np.ndarray]:
    """Measures the served `explain` of an exposed Keras model."""
    network = train_other(mnist)
    with tempfile.TemporaryDirectory() as folder:
        expose(network, Path(folder) / "other")
        with (
            LocalServer(Path(folder) / "other", "other") as server,
            Client(server.target, "other", timeout=60) as client,
        ):
            outputs = [
                client.predict(
                    "explain", {"pictures": batch[..., None], "classes": np.full(len(batch), -1)}
                )
                for batch in _batches(digits)
            ]
    classes, contributions = (
        np.concatenate([output[name] for output in outputs])
        for name in ("classes", "contributions")
    )
    return measure(network, 1.0, digits, classes, contributions)


def main() -> None:
    base_path = ROOT / "exported" / "for-tests"
    export_versions(find_snapshots(RELEASED), base_path)
    mnist = load_mnist(FULL_MNIST)
    digits = mnist.test_images[:DIGITS]
    with LocalServer(base_path) as server, Client(server.target, timeout=60) as client:
        _print(measure_faithfulness(client, digits))
    print("\nAnother architecture, with batch normalisation and residual connections:\n")
    _print(measure_other(mnist, digits))


def _print(scores: dict[str, np.ndarray]) -> None:
    removed = " | ".join(f"{fraction:.0%}" for fraction in REMOVED)
    print(f"Probability of the predicted digit, {DIGITS:,} test digits, by ink removed:\n")
    print(f"| ink removed by | mean | {removed} |")
    print(f"| --- | --- |{' --- |' * len(REMOVED)}")
    for name, score in scores.items():
        print(f"| {name} | {score.mean():.3f} | {' | '.join(f'{s:.3f}' for s in score)} |")


if __name__ == "__main__":
    main()
