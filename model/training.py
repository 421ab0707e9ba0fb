"""How the network learns: Adam with a one-cycle learning rate, augmented digits, averaged weights.

The tutorial takes 20,000 steps of Adam at a fixed small rate. Here the rate rises to a peak and
falls to nothing (Smith, "Super-Convergence", 2017, the cosine form), no digit is seen twice the
same (`augment`), and what is kept is a moving average over the last tenth of the steps or so
(Polyak averaging), which is better than any of the points it averages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from model.augment import augment
from model.mnist import Mnist
from model.network import build_network
from model.weights import load_snapshot, save_snapshot

PEAK_RATE = 0.002
WARM_UP = 0.2  # of all steps
AVERAGE = 0.1  # the moving average reaches back over about a tenth of all steps
EARLY_STEPS = (1, 10, 100, 1000)  # the network's own history, released beside its end


@dataclass(frozen=True)
class Run:
    """What a training made, and how good it is; accuracies are fractions of 1."""

    steps: int
    seconds: float
    parameters: int
    validation_accuracy: list[float]  # after each epoch, of the averaged weights
    test_accuracy: float  # of the released weights, float16 as they are stored
    test_errors: list[int]  # by digit
    changed_by_rounding: int  # test digits that float16 reads otherwise than float32
    final: Path


def train(
    digits: Mnist, folder: Path, *, epochs: int, batch: int, validation: int, seed: int
) -> Run:
    """Trains a network from nothing, leaving snapshots and TensorBoard logs in `folder`.

    Args:
        digits: the test part is read once, at the end, for the report.
        folder: gets `<step>.safetensors` for `EARLY_STEPS` and the last step, and `logs/`.
        epochs: passes over the training digits.
        batch: digits a step.
        validation: how many digits at the end of the training part are held out to watch.
        seed: of the initial weights, the order of the digits, the augmentation, the dropout.
    """
    keras.utils.set_random_seed(seed)
    learned = len(digits.train_images) - validation
    steps = epochs * (learned // batch)
    network = build_network()
    network.compile(
        optimizer=keras.optimizers.Adam(
            _one_cycle(steps), use_ema=True, ema_momentum=1 - 1 / max(1.0, AVERAGE * steps)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # XLA's convolutions are slower than oneDNN's on a CPU
    )
    started = perf_counter()
    history = network.fit(
        _batches(digits.train_images[:learned], digits.train_labels[:learned], batch),
        validation_data=(_as_images(digits.train_images[learned:]), digits.train_labels[learned:])
        if validation
        else None,
        epochs=epochs,
        callbacks=[
            keras.callbacks.SwapEMAWeights(),  # validation sees the average
            keras.callbacks.TensorBoard(folder / "logs", update_freq=50),
            _Snapshots(folder, [step for step in EARLY_STEPS if step < steps]),
        ],
    )
    seconds = perf_counter() - started
    final = save_snapshot(network, folder, steps)

    exact = _read_digits(network, digits.test_images)
    load_snapshot(network, final)
    stored = _read_digits(network, digits.test_images)
    wrong = stored != digits.test_labels
    return Run(
        steps=steps,
        seconds=seconds,
        parameters=network.count_params(),
        validation_accuracy=history.history.get("val_accuracy", []),
        test_accuracy=1 - float(wrong.mean()),
        test_errors=np.bincount(digits.test_labels[wrong], minlength=10).tolist(),
        changed_by_rounding=int((stored != exact).sum()),
        final=final,
    )


def _one_cycle(steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = round(WARM_UP * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=PEAK_RATE / 25,
        warmup_target=PEAK_RATE,
        warmup_steps=warm_up,
        decay_steps=steps - warm_up,
    )


def _batches(images: np.ndarray, labels: np.ndarray, batch: int) -> tf.data.Dataset:
    return (
        tf.data.Dataset.from_tensor_slices((images, labels))
        .shuffle(len(images))
        .batch(batch, drop_remainder=True)
        .map(lambda images, labels: (augment(_as_images(images)), labels))
        .prefetch(2)
    )


def _read_digits(network: keras.Model, images: np.ndarray) -> np.ndarray:
    logits = network.predict(_as_images(images), batch_size=500, verbose=0)
    return logits.argmax(axis=1)


def _as_images(ubytes: np.ndarray | tf.Tensor) -> tf.Tensor:
    return tf.cast(ubytes, tf.float32) / 255


class _Snapshots(keras.callbacks.Callback):
    """Saves the weights after each of the given steps, as they are, not averaged."""

    def __init__(self, folder: Path, steps: Sequence[int]):
        super().__init__()
        self.folder, self.steps = folder, set(steps)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = int(self.model.optimizer.iterations.numpy())
        if step in self.steps:
            save_snapshot(self.model, self.folder, step)
