"""`python train.py`, from IDX files to weights that can be exported, on a small scale."""

import re
import subprocess
import sys

import numpy as np
import pytest

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
        [sys.executable, "train.py", f"--data={folder}", f"--out={out}", "--epochs=5",
         "--batch=64", "--validation=500", "--seed=3"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return out, run.stdout, images[test], labels[test]


def test_learns(trained):
    printed = trained[1]
    steps, validation, test = re.search(
        r"(\d+) steps in \d+ s\. Validation ([\d.]+)%, test ([\d.]+)%", printed
    ).groups()
    assert int(steps) == 5 * (4000 // 64)
    assert float(validation) > 93
    assert float(test) > 93
    assert "val_accuracy" in printed
    assert "Epoch 5/5" in printed


def test_leaves_its_history(trained):
    out, printed, images, labels = trained
    assert list(find_snapshots(out)) == [1, 10, 100, 310]
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


def test_leaves_curves_and_a_card(trained):
    out = trained[0]
    assert any((out / "logs").rglob("events.out.tfevents.*"))
    card = (out / "README.md").read_text()
    assert "--epochs 5 --batch 64 --validation 500 --seed 3" in card
    assert "| 5 |" in card


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data=/nowhere"], "Put train-images-idx3-ubyte"),
        (["--epochs=0"], "--epochs must be 1 or more"),
    ],
)
def test_says_what_is_wrong(arguments, sentence):
    command = [sys.executable, "train.py", *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode != 0
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr
