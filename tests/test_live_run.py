"""`python train.py --live`: versions that a server loads while the network trains."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.callbacks import Interrupt, LearningCurve, LiveVersions
from model.live_run import LiveRun, reserve_run
from model.network import build_network
from model.saved_model import SavedModelWriter
from serving.embedded.servable import Servable
from tests.pages import ROOT
from tests.test_mnist import write_mnist

STEPS = [1, 2, 5, 10, 20, 50]
SECONDS = 120  # maximum wait for a training process or a server


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """A working directory with MNIST in `mnist`."""
    folder = tmp_path_factory.mktemp("live")
    (folder / "mnist").mkdir()
    images, labels = digits
    order = np.random.default_rng(6).permutation(len(labels))
    train, test = order[:4500], order[4500:]
    write_mnist(folder / "mnist", images[train], labels[train], images[test], labels[test])
    return folder


@contextlib.contextmanager
def training(folder, *flags):
    """A training process, killed at the end."""
    command = [sys.executable, ROOT / "train.py", "--data=mnist", "--recipe=sprint", "--epochs=40"]
    with subprocess.Popen(
        [*command, "--validation=500", "--live", *flags],
        cwd=folder, env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_runs_are_whole_and_replace_each_other(folder):
    base_path = folder / "exported" / "mnist"
    base_path.mkdir(parents=True)
    (base_path / "3").mkdir()  # not of a live run: stays
    with training(folder):
        wait_for((base_path / "1000050").exists)
    versions = sorted(int(path.name) for path in base_path.glob("1*"))
    assert versions[: len(STEPS)] == [1_000_000 + step for step in STEPS]
    check_versions({step: Servable(base_path / str(1_000_000 + step)) for step in STEPS})
    (base_path / "unfinished-1000100").mkdir(exist_ok=True)
    with training(folder, "--keep=2") as process:
        wait_for((base_path / "2000010").exists)
        process.send_signal(signal.SIGINT)
        output = process.communicate()[0]
    assert "Run 2 exports its versions to exported/mnist" in output
    assert "train.py: interrupted." in output
    assert "Traceback" not in output
    kept = sorted(path.name for path in base_path.iterdir())
    assert kept.pop() == "3"
    assert len(kept) == 2
    assert all(re.fullmatch("2000[0-9]{3}", name) for name in kept)
    for name in kept:
        Servable(base_path / name)  # is complete


def check_versions(servables):
    """All versions are whole, and each describes its own training."""
    accuracies = []
    for step, servable in servables.items():
        [text] = servable.run("describe", {"anything": np.zeros(1, np.int32)})["descriptions"]
        trained = json.loads(text)["trained"]
        assert (trained["steps"], trained["version_offset"]) == (step, 1_000_000)
        curve = trained["curve"]
        assert curve[-1][0] == step
        assert {1, 2, 3, 5, 7, 10, 15, 20, 30, 31}.issuperset(s for s, *_ in curve[:-1])
        accuracies.append(curve[-1][2])
    losses = [loss for _, loss, _ in curve if loss is not None]
    assert accuracies[0] < 0.5 < 0.85 < accuracies[-1]
    assert losses[0] == pytest.approx(np.log(10), abs=0.15)  # a guess among ten classes
    assert losses[-1] < losses[0] / 2
    weights = servable.run("weights", {"units": np.zeros(1, np.int32)})
    assert weights["h_conv2_features"].shape == (0, 14, 14)


def test_a_version_computes_what_the_network_computes(digits, tmp_path):
    network = build_network()
    writer = SavedModelWriter(network, feature_count=0)
    images = digits[0][:5].astype(np.float32) / 255
    for step in (1, 2):
        for variable in network.trainable_variables:
            noise = np.random.default_rng(step).normal(0, 0.1, variable.shape)
            variable.assign(noise)
        writer.write(tmp_path / str(step), step, [], temperature=0.5, is_warmed=False)
        logits = network.predict(images, verbose=0)
        model = tf.saved_model.load(str(tmp_path / str(step)))
        served = model.signatures["sketch"](tf.constant(digits[0][:5]))
        expected = tf.nn.softmax(served["logits"] / 0.5)
        np.testing.assert_allclose(served["probabilities"], expected, rtol=1e-5)
        served = model.signatures["serving_default"](tf.constant(images))
        np.testing.assert_allclose(served["logits"], logits, rtol=1e-4, atol=1e-4)


def test_a_run_stops_exporting_when_a_later_one_has_started(tmp_path):
    write = lambda folder: folder.mkdir()  # noqa: E731
    first, second = LiveRun(tmp_path, 1), LiveRun(tmp_path, 2)
    first.add(1, write)
    second.add(1, write)
    with pytest.raises(OSError, match="a later run exports to"):
        first.add(2, write)
    assert [path.name for path in tmp_path.iterdir()] == ["2000001"]


def test_run_numbers_are_never_used_again(tmp_path):
    exported, snapshots = tmp_path / "exported", tmp_path / "trained"
    assert [reserve_run(exported, snapshots) for _ in range(2)] == [1, 2]
    (exported / "3000001").mkdir(parents=True)
    assert reserve_run(exported, snapshots) == 4
    (snapshots / "live-7").mkdir()
    with ThreadPoolExecutor(8) as threads:  # runs that start at the same moment
        numbers = threads.map(lambda _: reserve_run(exported, snapshots), range(8))
    assert sorted(numbers) == list(range(8, 16))


def test_the_newest_versions_are_kept(tmp_path):
    run = LiveRun(tmp_path, 1, keep=3)
    for count, step in enumerate(STEPS, 1):
        run.add(step, lambda folder: folder.mkdir())
        kept = sorted(int(path.name) - 1_000_000 for path in tmp_path.iterdir())
        assert kept == STEPS[max(0, count - 3) : count]


def test_ctrl_c_ends_the_training_when_its_step_is_complete():
    network = build_network()
    network.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")
    before = signal.getsignal(signal.SIGINT)
    ended = []

    class PressInStepThree(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                signal.raise_signal(signal.SIGINT)

        def on_train_batch_end(self, batch, logs=None):
            ended.append(batch + 1)

    with pytest.raises(KeyboardInterrupt):
        network.fit(
            np.zeros((9, 28, 28), np.float32), np.arange(9), 1,
            callbacks=[PressInStepThree(), Interrupt()], verbose=0,
        )  # fmt: skip
    assert ended == [1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is before


def test_an_export_that_fails_does_not_stop_the_training(tmp_path, capsys):
    (tmp_path / "mnist").write_text("a file where the folder should be")
    network = build_network()
    network.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    digits = np.zeros((4, 28, 28), np.float32), np.arange(4)
    curve = LearningCurve()
    live = LiveVersions(LiveRun(tmp_path / "mnist", 1), curve, digits, steps=2)
    network.fit(*digits, 2, validation_data=digits, callbacks=[curve, live], verbose=0)
    assert "Step 2 was not exported, the training continues" in capsys.readouterr().out
    assert [step for step, *_ in curve.points] == [1, 2]
