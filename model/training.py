"""Trains the network with Adam, a one-cycle learning rate and augmentation.

The tutorial takes 20,000 steps of Adam at a small fixed rate. Here the rate rises to a peak and
falls to zero along a cosine (Smith, "Super-Convergence", 2017), every digit is distorted
differently each time (`augment`), handwriting that MNIST lacks is mixed in (`handwriting`), and
labels are smoothed (Szegedy et al., "Rethinking the Inception architecture", 2016). The distortion
becomes weaker towards the end, so that the last steps use nearly undistorted digits.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf

from model.augment import augment
from model.calibration import fit_temperature
from model.callbacks import Interrupt, LearningCurve, LiveVersions, Snapshots
from model.handwriting import NO_DIGIT, Samples, write_digits, write_scribbles, write_signs
from model.handwriting.ink import STYLES, rescan
from model.learning_curve import save_curve
from model.live_run import LiveRun
from model.network import CLASSES, build_network
from model.recipe import Recipe
from model.weights import find_snapshots, load_snapshot, save_snapshot

WARM_UP = 0.2  # first fraction of the steps, in which the learning rate rises
CALM = 0.4  # last fraction of the steps, in which the distortion becomes weaker
WEIGHT_DECAY = (
    0.05  # times the learning rate, per step (Loshchilov, Hutter, "Decoupled weight decay")
)
SMOOTHING = 0.1  # fraction of each target that is spread over all digits
REUSED = 4  # epochs until generated handwriting repeats, with other distortions
EARLY_STEPS = (1, 10, 100, 1000)  # snapshots that show the training history


@dataclass(frozen=True)
class Run:
    """The result of a training run."""

    seed: int
    steps: int
    seconds: float  # until the end of the last step
    preprocessing: float  # seconds until the end of the first step
    validation_accuracy: list[float]  # after each pass, 0 to 1
    final: Path  # the last snapshot


def train(
    mnist: Samples,
    folder: Path,
    recipe: Recipe,
    *,
    epochs: float,
    validation: int,
    seed: int,
    live: LiveRun | None = None,
) -> Run:
    """Trains a network from scratch; writes snapshots and TensorBoard logs to `folder`.

    Args:
        mnist: the training digits, images uint8 [N, 28, 28] and labels uint8 [N].
        folder: receives `<step>.safetensors` for `EARLY_STEPS` and the last step, the learning
            curve, and `logs/`.
        recipe: the hyperparameters.
        epochs: passes over the digits; the last need not be complete.
        validation: number of digits, the last ones, held out for validation and calibration.
        seed: for all random numbers.
        live: receives versions for servers during the training.
    """
    started = perf_counter()
    keras.utils.set_random_seed(seed)
    training = mnist[0][:-validation], mnist[1][:-validation]
    held_out = _as_images(mnist[0][-validation:]), mnist[1][-validation:]
    passes = math.ceil(epochs)
    steps_per_pass = round(epochs * len(training[1]) / recipe.batch["mnist"] / passes)
    steps = passes * steps_per_pass
    early = [step for step in EARLY_STEPS if step < steps]
    snapshots, curve = Snapshots(folder, early), LearningCurve()
    callbacks = [
        keras.callbacks.TensorBoard(folder / "logs", update_freq=50, write_graph=False),
        snapshots,
        curve,
    ]
    if live:
        callbacks.append(LiveVersions(live, curve, held_out, steps))
    callbacks.append(Interrupt())
    network = build_network(recipe.dropout)
    network.compile(
        optimizer=FusedAdam(_one_cycle(recipe.peak_rate, steps), weight_decay=WEIGHT_DECAY),
        loss=_cross_entropy,
        metrics=[accuracy],
        jit_compile=False,  # XLA's convolutions are slower than oneDNN's on a CPU
    )
    history = network.fit(
        _batches(
            _load_sources(training, recipe, steps_per_pass, np.random.default_rng(seed)),
            recipe,
            steps,
        ),
        epochs=passes,
        steps_per_epoch=steps_per_pass,
        validation_data=held_out,
        validation_batch_size=500,
        callbacks=callbacks,
    )
    final = save_snapshot(network, folder, steps)
    for step in (*early, steps):
        load_snapshot(network, find_snapshots(folder)[step])
        logits = network.predict(held_out[0], batch_size=500, verbose=0)
        save_snapshot(network, folder, step, fit_temperature(logits, held_out[1]))
        curve.record_accuracy(step, np.mean(logits.argmax(axis=1) == held_out[1]))
    save_curve(curve.points, folder)
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
    """Returns the loss [N] with smoothed targets for digits and uniform targets for non-digits.

    The latter is "outlier exposure" (Hendrycks, Mazeika, Dietterich, "Deep anomaly detection with
    outlier exposure", 2019), without an additional class.
    """
    labels = tf.reshape(tf.cast(labels, tf.int32), [-1])
    spread = tf.where(labels == NO_DIGIT, 1.0, SMOOTHING)[:, None]
    targets = (1 - spread) * tf.one_hot(labels, CLASSES) + spread / CLASSES
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns 1 for each correct and 0 for each wrong digit; non-digits are left out."""
    labels = tf.reshape(tf.cast(labels, tf.int32), [-1])
    correct = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
    return tf.cast(correct[labels != NO_DIGIT], tf.float32)


def _load_sources(
    mnist: Samples, recipe: Recipe, steps: int, random: np.random.Generator
) -> list[Samples]:
    """Returns MNIST and enough images of the other sources for `REUSED` epochs."""
    sources = {
        "mnist": lambda count: mnist,
        "rescanned": lambda count: _rescan_some(mnist, count, random),
        "written": lambda count: write_digits(count, STYLES, random),
        "signs": lambda count: write_signs(count, "train", STYLES, random),
        "scribbles": lambda count: write_scribbles(count, STYLES, random),
    }
    return [sources[name](REUSED * steps * share) for name, share in recipe.batch.items()]


def _rescan_some(mnist: Samples, count: int, random: np.random.Generator) -> Samples:
    chosen = random.integers(len(mnist[1]), size=count)
    return rescan(mnist[0][chosen], random), mnist[1][chosen]


def _batches(sources: list[Samples], recipe: Recipe, steps: int) -> tf.data.Dataset:
    first, last = recipe.distortion
    calm_from, calm_steps = (1 - CALM) * steps, CALM * steps

    def pick(source: Samples, share: int) -> tf.data.Dataset:
        images, labels = map(tf.constant, source)
        order = tf.data.Dataset.range(len(labels)).shuffle(len(labels)).repeat().batch(share)
        return order.map(lambda chosen: (tf.gather(images, chosen), tf.gather(labels, chosen)))

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
    """Adam compiled by XLA: twice as fast, since it passes over the weights once, not 12 times."""

    def apply(self, grads: list[tf.Tensor], trainable_variables: list | None = None) -> None:
        update = super().apply
        tf.function(lambda: update(grads, trainable_variables), jit_compile=True)()
