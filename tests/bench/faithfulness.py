"""Is the explanation faithful? Ink is taken away where it points, and the digit's score must fall.

The ink that speaks most for the digit that is read goes first, in steps from a twentieth to half of
all the ink; the score is the calibrated probability of that digit on average over these steps.
Lower is more faithful. Beside it: plain gradients of the same log odds, and chance.

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

TAKEN = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)  # of the ink
TOGETHER = 50  # drawings in a request
DIGITS = 1000
OTHER_EPOCHS = 3


def measure_faithfulness(client: Client, digits: np.ndarray) -> dict[str, np.ndarray]:
    """The score that is left after each step of `TAKEN`, [6], by what pointed at the ink.

    Args:
        client: of a server with the released network.
        digits: uint8 [N, 28, 28].
    """
    network, temperature = _load_released()
    read = np.concatenate([_read(client, part) for part in _parts(digits)])
    return measure(network, temperature, digits, read, _explain(client, digits, read))


def measure(
    network: keras.Model,
    temperature: float,
    digits: np.ndarray,
    read: np.ndarray,
    contributions: np.ndarray,
) -> dict[str, np.ndarray]:
    """The same for any network of [N, 28, 28] or [N, 28, 28, 1], 0 = paper, to logits.

    Args:
        network, temperature: whose score counts.
        digits: uint8 [N, 28, 28].
        read: the classes that are read, [N].
        contributions: what explains them, [N, 28, 28].
    """
    pointers = {
        "explain": contributions,
        "gradients": _plain_gradients(network, digits, read),
        "chance": np.random.default_rng(0).uniform(size=digits.shape),
    }
    return {
        name: np.array(
            [_score(network, temperature, fewer, read) for fewer in _take_away(digits, pointer)]
        )
        for name, pointer in pointers.items()
    }


def _parts(array: np.ndarray) -> list[np.ndarray]:
    """What goes into one request after the other."""
    return [array[i : i + TOGETHER] for i in range(0, len(array), TOGETHER)]


def _read(client: Client, digits: np.ndarray) -> np.ndarray:
    answer = client.predict("sketch", {"drawings": digits}, outputs=["logits"])
    return answer["logits"].argmax(axis=1)


def _explain(client: Client, digits: np.ndarray, read: np.ndarray) -> np.ndarray:
    parts = [
        client.predict("explain", {"drawings": some, "digits": of_some}, outputs=["contributions"])[
            "contributions"
        ]
        for some, of_some in zip(_parts(digits), _parts(read))
    ]
    return np.concatenate(parts)


def _plain_gradients(network: keras.Model, digits: np.ndarray, read: np.ndarray) -> np.ndarray:
    images = tf.constant(digits / np.float32(255))
    with tf.GradientTape() as tape:
        tape.watch(images)
        chances = tf.nn.softmax(tf.cast(network(images, training=False), tf.float64))
        own = tf.gather(chances, read, batch_dims=1)
        odds = tf.reduce_sum(tf.math.log(own) - tf.math.log1p(-own))
    return tape.gradient(odds, images).numpy()


def _take_away(digits: np.ndarray, pointer: np.ndarray) -> Iterator[np.ndarray]:
    ink = digits.reshape(len(digits), -1).astype(float)
    order = np.argsort(np.where(ink > 0, -pointer.reshape(ink.shape), np.inf), axis=1)
    sorted_ink = np.take_along_axis(ink, order, axis=1)
    before = (np.cumsum(sorted_ink, axis=1) - sorted_ink) / ink.sum(axis=1, keepdims=True)
    for taken in TAKEN:
        left = np.empty_like(ink)
        np.put_along_axis(left, order, np.where(before < taken, 0, sorted_ink), axis=1)
        yield left.reshape(digits.shape).astype(np.uint8)


def _score(network: keras.Model, temperature: float, left: np.ndarray, read: np.ndarray) -> float:
    """In process: through `sketch`, what is left would be centred and stretched anew."""
    logits = network.predict(left / np.float32(255), batch_size=500, verbose=0)
    return float(softmax(logits, temperature)[np.arange(len(read)), read].mean())


def _load_released() -> tuple[keras.Model, float]:
    snapshots = find_snapshots(RELEASED)
    network = build_network()
    return network, load_snapshot(network, snapshots[max(snapshots)])


def train_other(mnist: Mnist) -> keras.Model:
    """A network of another shape: batch normalisation and residual connections, logits [N, 10]."""
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
    """Faithfulness of the served `explain` of an exposed Keras model."""
    network = train_other(mnist)
    with tempfile.TemporaryDirectory() as folder:
        expose(network, Path(folder) / "other")
        with (
            LocalServer(Path(folder) / "other", "other") as server,
            Client(server.target, "other", timeout=60) as client,
        ):
            answers = [
                client.predict(
                    "explain", {"pictures": some[..., None], "classes": np.full(len(some), -1)}
                )
                for some in _parts(digits)
            ]
    read, contributions = (
        np.concatenate([answer[name] for answer in answers])
        for name in ("classes", "contributions")
    )
    return measure(network, 1.0, digits, read, contributions)


def main() -> None:
    base_path = ROOT / "exported" / "for-tests"
    export_versions(find_snapshots(RELEASED), base_path)
    mnist = load_mnist(FULL_MNIST)
    digits = mnist.test_images[:DIGITS]
    with LocalServer(base_path) as server, Client(server.target, timeout=60) as client:
        _print(measure_faithfulness(client, digits))
    print("\na network of another shape, batch normalisation and residual connections:\n")
    _print(measure_other(mnist, digits))


def _print(scores: dict[str, np.ndarray]) -> None:
    print(f"| of {DIGITS:,} test digits | mean | {' | '.join(f'{t:.0%}' for t in TAKEN)} |")
    print(f"| --- | --- |{' --- |' * len(TAKEN)}")
    for name, score in scores.items():
        print(f"| {name} | {score.mean():.3f} | {' | '.join(f'{s:.3f}' for s in score)} |")


if __name__ == "__main__":
    main()
