"""`python train.py` on a small scale, from IDX files to weights."""

import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from model import training
from model.handwriting import NO_DIGIT
from model.network import build_network
from model.weights import find_snapshots, load_snapshot
from tests.pages import ROOT
from tests.test_mnist import write_mnist


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    images, labels = digits
    order = np.random.default_rng(4).permutation(len(labels))
    train, test = order[:4500], order[4500:]
    folder = tmp_path_factory.mktemp("mnist")
    write_mnist(folder, images[train], labels[train], images[test], labels[test], zipped=True)
    out = tmp_path_factory.mktemp("out") / "trained"
    run = subprocess.run(
        [sys.executable, "train.py", f"--data={folder}", f"--out={out}", "--epochs=3",
         "--validation=500", "--seed=3", "--seeds=2"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return out, run.stdout, images[test], labels[test]


def test_training_reaches_95_percent(trained):
    printed = trained[1]
    runs = re.findall(
        r"Seed (\d): (\d+) steps in \d+ s\. Validation ([\d.]+)%, test ([\d.]+)%", printed
    )
    assert [(seed, steps) for seed, steps, *_ in runs] == [("3", "120"), ("4", "120")]
    for *_, validation, test in runs:
        assert float(validation) > 95
        assert float(test) > 95
    assert "val_accuracy" in printed
    assert "Epoch 3/3" in printed


def test_training_writes_snapshots(trained):
    out, printed, images, labels = trained
    assert list(find_snapshots(out)) == [1, 10, 100, 120]
    network = build_network()
    accuracies = []
    for path in find_snapshots(out).values():
        load_snapshot(network, path)
        logits = network.predict(images.astype(np.float32) / 255, verbose=0)
        accuracies.append((logits.argmax(axis=1) == labels).mean())
    assert accuracies[0] < 0.5
    assert accuracies[2] > accuracies[1]
    reported = float(re.search(r"test ([\d.]+)%", printed)[1])
    assert accuracies[3] == pytest.approx(reported / 100, abs=1e-4)


def test_training_writes_curves_and_a_model_card(trained):
    out = trained[0]
    assert any((out / "logs").rglob("events.out.tfevents.*"))
    card = (out / "README.md").read_text()
    assert "--epochs 3 --validation 500 --seed 3 --seeds 2" in card
    assert "| 3 |" in card
    for figure in re.findall(r"(?:Validation|test) ([\d.]+%)", trained[1]):
        assert figure in card


def test_target_of_non_digits_is_uniform():
    logits = np.random.default_rng(1).normal(size=(3, 10)).astype(np.float32)
    labels = np.array([4, NO_DIGIT, 7])
    targets = np.full((3, 10), 0.1 * training.SMOOTHING)
    targets[[0, 2], [4, 7]] += 1 - training.SMOOTHING
    targets[1] = 0.1
    expected = -(targets * log_softmax(logits, axis=1)).sum(axis=1)
    np.testing.assert_allclose(training._cross_entropy(labels, logits), expected, rtol=1e-5)


def test_accuracy_ignores_non_digits():
    logits = np.eye(10, dtype=np.float32)[[4, 3, 6, 7]]
    correct = training.accuracy(np.array([4, NO_DIGIT, 7, 7]), tf.constant(logits))
    assert correct.numpy().tolist() == [1, 0, 1]


def test_fused_optimizer_equals_adam():
    weights = []
    for optimizer in (keras.optimizers.Adam, training.FusedAdam):
        random = np.random.default_rng(2)
        variable = keras.Variable(random.normal(size=(30, 20)))
        adam = optimizer(training._one_cycle(0.01, steps=10))
        adam.build([variable])
        for _ in range(10):
            adam.apply([tf.constant(random.normal(size=(30, 20)), tf.float32)], [variable])
        weights.append(variable.numpy())
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data=/nowhere", "--out=/nowhere/out"], "Put train-images-idx3-ubyte"),
        (["--epochs=0"], "--epochs must be more than 0"),
        (["--validation=0"], "--validation must be 1 or more"),
        (["--out=model/released"], "model/released contains snapshots of another run"),
        (["--recipe=stew"], "invalid choice: 'stew'"),
    ],
)
def test_invalid_arguments_are_reported(arguments, sentence):
    command = [sys.executable, "train.py", *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
