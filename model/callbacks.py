"""What is recorded and written while the network trains."""

import signal
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from types import FrameType

import keras
import numpy as np
import tensorflow as tf

from model.calibration import fit_temperature
from model.learning_curve import Point, is_recorded
from model.live_run import LiveRun, is_exported
from model.saved_model import SavedModelWriter
from model.weights import save_snapshot

MAX_LIVE_DIGITS = 500  # validation digits that are classified before each export


class Snapshots(keras.callbacks.Callback):
    """Saves the weights after the given steps; records when the first and the last step ended."""

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


class LearningCurve(keras.callbacks.Callback):
    """Records the training loss; `record_accuracy` adds accuracies."""

    def __init__(self):
        super().__init__()
        self._losses: dict[int, float] = {}
        self._accuracies: dict[int, float] = {}
        self._last = 0, 0.0  # steps of this epoch at the last record, and the sum of their losses

    @property
    def points(self) -> list[Point]:
        """All points so far, in order of their steps."""
        steps = sorted(self._losses.keys() | self._accuracies.keys())
        return [Point(step, self._losses.get(step), self._accuracies.get(step)) for step in steps]

    def record_accuracy(self, step: int, accuracy: float) -> None:
        self._accuracies[step] = round(accuracy, 5)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._last = 0, 0.0  # Keras averages anew in each epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = int(self.model.optimizer.iterations.numpy())
        if is_recorded(step):
            count, total = batch + 1, (batch + 1) * logs["loss"]
            last_count, last_total = self._last
            self._losses[step] = round((total - last_total) / (count - last_count), 5)
            self._last = count, total

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.record_accuracy(int(self.model.optimizer.iterations.numpy()), logs["val_accuracy"])


class LiveVersions(keras.callbacks.Callback):
    """Exports versions during the training, each with the learning curve so far.

    An export that fails is reported and left out; the training continues.

    Args:
        run: decides where the versions go.
        curve: gets the validation accuracy of each version.
        held_out: images float32 [N, 28, 28] and labels [N] that are not trained on.
        steps: of the whole training; the last one is exported too.
    """

    def __init__(
        self, run: LiveRun, curve: LearningCurve, held_out: tuple[tf.Tensor, np.ndarray], steps: int
    ):
        super().__init__()
        self._run, self._curve, self._steps = run, curve, steps
        self._images, self._labels = (part[:MAX_LIVE_DIGITS] for part in held_out)

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._writer = SavedModelWriter(self.model, feature_count=0)
        classify = tf.function(lambda: self.model(self._images, training=False), autograph=False)
        self._classify = classify.get_concrete_function()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = int(self.model.optimizer.iterations.numpy())
        if is_exported(step) or step == self._steps:
            self._export(step)

    def _export(self, step: int) -> None:
        logits = self._classify().numpy()  # [N, 10]
        self._curve.record_accuracy(step, np.mean(logits.argmax(axis=1) == self._labels))

        def write(folder: Path) -> None:
            self._writer.write(
                folder,
                step,
                self._curve.points,
                temperature=fit_temperature(logits, self._labels),
                version_offset=self._run.version_offset,
                is_warmed=False,
            )

        try:
            self._run.add(step, write)
        except (OSError, tf.errors.OpError) as error:
            print(f"\nStep {step} was not exported, the training continues: {error}")


class Interrupt(keras.callbacks.Callback):
    """Ends the training on Ctrl+C with a KeyboardInterrupt at the end of the step.

    Python raises it wherever the main thread is: amid an export, or in a finalizer, where it is
    lost. Put this callback last.
    """

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._is_pressed = False
        self._previous = signal.signal(signal.SIGINT, self._press)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self._is_pressed:
            self.on_train_end()

    def on_train_end(self, logs: dict | None = None) -> None:
        signal.signal(signal.SIGINT, self._previous)
        if self._is_pressed:
            raise KeyboardInterrupt

    def _press(self, number: int, frame: FrameType | None) -> None:
        self._is_pressed = True
