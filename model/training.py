"""How the network learns: Adam with a one-cycle learning rate, digits that are never the same.

The tutorial takes 20,000 steps of Adam at a fixed small rate. Here the rate rises to a peak and
falls to nothing (Smith, "Super-Convergence", 2017, the cosine form), no digit is seen twice the
same (`augment`), handwriting that MNIST lacks is mixed in (`handwriting`), and nothing is to be
taken for quite certain (label smoothing: Szegedy et al., "Rethinking the Inception architecture",
2016). Towards the end digits are distorted less, so that the last steps see them nearly as they
are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from model.augment import augment
from model.calibration import fit_temperature
from model.handwriting import NO_DIGIT, Written, write_digits, write_scribbles, write_signs
from model.handwriting.ink import STYLES, rescan
from model.network import CLASSES, build_network
from model.recipe import Recipe
from model.weights import find_snapshots, load_snapshot, save_snapshot

WARM_UP = 0.2  # of all steps
CALM = 0.4  # of all steps, the last: distortion changes to what it is at the end
WEIGHT_DECAY = 0.05  # of the learning rate, a step (Loshchilov, Hutter, "Decoupled weight decay")
SMOOTHING = 0.1  # of each target is shared by all digits
REUSED = 4  # epochs that handwriting lasts for before it comes again, varied anew
EARLY_STEPS = (1, 10, 100, 1000)  # the network's own history, released beside its end


@dataclass(frozen=True)
class Run:
    """What a training made."""

    seed: int
    steps: int
    seconds: float  # from nothing to the last step
    preprocessing: float  # of these, until the first step was done
    validation_accuracy: list[float]  # after each pass; fractions of 1
    final: Path


def train(
    mnist: Written, folder: Path, recipe: Recipe, *, epochs: float, validation: int, seed: int
) -> Run:
    """Trains a network from nothing, leaving snapshots and TensorBoard logs in `folder`.

    Args:
        mnist: the training digits, images uint8 [N, 28, 28] and labels uint8 [N].
        folder: gets `<step>.safetensors` for `EARLY_STEPS` and the last step, and `logs/`.
        epochs: passes over the digits; the last, or the only one, need not be whole.
        validation: how many of the digits, the last, are held out to watch and calibrate with.
        seed: of all that is random.
    """
    started = perf_counter()
    keras.utils.set_random_seed(seed)
    learned = mnist[0][:-validation], mnist[1][:-validation]
    held_out = _as_images(mnist[0][-validation:]), mnist[1][-validation:]
    passes = math.ceil(epochs)
    steps_a_pass = round(epochs * len(learned[1]) / recipe.batch["mnist"] / passes)
    steps = passes * steps_a_pass
    early = [step for step in EARLY_STEPS if step < steps]
    snapshots = _Snapshots(folder, early)
    network = build_network(recipe.dropout)
    network.compile(
        optimizer=FusedAdam(_one_cycle(recipe.peak_rate, steps), weight_decay=WEIGHT_DECAY),
        loss=_cross_entropy,
        metrics=[accuracy],
        jit_compile=False,  # XLA's convolutions are slower than oneDNN's on a CPU
    )
    history = network.fit(
        _batches(
            _gather(learned, recipe, steps_a_pass, np.random.default_rng(seed)), recipe, steps
        ),
        epochs=passes,
        steps_per_epoch=steps_a_pass,
        validation_data=held_out,
        validation_batch_size=500,
        callbacks=[
            keras.callbacks.TensorBoard(folder / "logs", update_freq=50, write_graph=False),
            snapshots,
        ],
    )
    final = save_snapshot(network, folder, steps)
    for step in (*early, steps):
        load_snapshot(network, find_snapshots(folder)[step])
        logits = network.predict(held_out[0], batch_size=500, verbose=0)
        save_snapshot(network, folder, step, fit_temperature(logits, held_out[1]))
    return Run(
        seed,
        steps,
        seconds=snapshots.last_step - started,
        preprocessing=snapshots.first_step - started,
        validation_accuracy=history.history["val_accuracy"],
        final=final,
    )


def _one_cycle(peak_rate: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = round(WARM_UP * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak_rate / 25,
        warmup_target=peak_rate,
        warmup_steps=warm_up,
        decay_steps=steps - warm_up,
    )


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Of digits with smoothed targets; what is no digit is to look like each of them alike.

    The latter is "outlier exposure" (Hendrycks, Mazeika, Dietterich, "Deep anomaly detection with
    outlier exposure", 2019), with no class of its own.
    """
    labels = tf.reshape(tf.cast(labels, tf.int32), [-1])
    shared = tf.where(labels == NO_DIGIT, 1.0, SMOOTHING)[:, None]
    targets = (1 - shared) * tf.one_hot(labels, CLASSES) + shared / CLASSES
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Of the digits alone: what is none cannot be read rightly."""
    labels = tf.reshape(tf.cast(labels, tf.int32), [-1])
    right = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
    return tf.cast(right[labels != NO_DIGIT], tf.float32)


def _gather(
    mnist: Written, recipe: Recipe, steps: int, random: np.random.Generator
) -> list[Written]:
    """What batches are mixed from: MNIST, and as much of the rest as lasts for some epochs."""
    ways = {
        "mnist": lambda count: mnist,
        "rescanned": lambda count: _rescan_some(mnist, count, random),
        "written": lambda count: write_digits(count, STYLES, random),
        "signs": lambda count: write_signs(count, "train", STYLES, random),
        "scribbles": lambda count: write_scribbles(count, STYLES, random),
    }
    return [ways[name](REUSED * steps * share) for name, share in recipe.batch.items()]


def _rescan_some(mnist: Written, count: int, random: np.random.Generator) -> Written:
    some = random.integers(len(mnist[1]), size=count)
    return rescan(mnist[0][some], random), mnist[1][some]


def _batches(sources: list[Written], recipe: Recipe, steps: int) -> tf.data.Dataset:
    first, last = recipe.distortion
    calm_from, calm_steps = (1 - CALM) * steps, CALM * steps

    def pick(source: Written, share: int) -> tf.data.Dataset:
        images, labels = map(tf.constant, source)
        order = tf.data.Dataset.range(len(labels)).shuffle(len(labels)).repeat().batch(share)
        return order.map(lambda some: (tf.gather(images, some), tf.gather(labels, some)))

    parts = [pick(*part) for part in zip(sources, recipe.batch.values(), strict=True)]

    def mix(
        step: tf.Tensor, parts: tuple[tuple[tf.Tensor, tf.Tensor], ...]
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = (tf.concat(part, axis=0) for part in zip(*parts, strict=True))
        calm = tf.clip_by_value((tf.cast(step, tf.float32) - calm_from) / calm_steps, 0.0, 1.0)
        return augment(_as_images(images), first + (last - first) * calm), labels

    return tf.data.Dataset.zip(tuple(parts)).enumerate().map(mix).prefetch(2)


def _as_images(ubytes: np.ndarray | tf.Tensor) -> tf.Tensor:
    return tf.cast(ubytes, tf.float32) / 255


class FusedAdam(keras.optimizers.Adam):
    """Adam in one pass over the weights, which XLA makes of a dozen: in half the time."""

    def apply(self, grads: list[tf.Tensor], trainable_variables: list | None = None) -> None:
        update = super().apply
        tf.function(lambda: update(grads, trainable_variables), jit_compile=True)()


class _Snapshots(keras.callbacks.Callback):
    """Saves the weights after the given steps; knows when the first and the last were done."""

    def __init__(self, folder: Path, steps: Sequence[int]):
        super().__init__()
        self.folder, self.steps = folder, set(steps)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = int(self.model.optimizer.iterations.numpy())
        self.last_step = perf_counter()
        if step == 1:
            self.first_step = self.last_step
        if step in self.steps:
            save_snapshot(self.model, self.folder, step)
