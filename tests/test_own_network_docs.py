"""Each command of the guide to networks of one's own, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from serving.client import Client
from serving.embedded.servable import Servable
from serving.local import find_free_port
from tests.pages import ROOT, wait_for

GUIDE = (ROOT / "docs" / "your-own-network.md").read_text()
README = (ROOT / "README.md").read_text()
OF_README = README[README.index("## Your own network") : README.index("## Call the model yourself")]
BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", GUIDE + OF_README, re.DOTALL)
COMMANDS = sorted(
    {
        line.replace(".venv/bin/", "")
        for kind, code in BLOCKS
        if kind == "bash"
        for line in code.strip().splitlines()
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a model and its labels, in which the commands run."""
    folder = tmp_path_factory.mktemp("own")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((64, 64, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(inputs, keras.layers.Dense(3)(x)).save(folder / "my_model.keras")
    (folder / "labels.txt").write_text("daisy\nrose\ntulip\n")
    return folder


def run(command: str, folder: Path) -> subprocess.Popen:
    words = command.replace("export.py", str(ROOT / "export.py")).split()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, *words[1:]], cwd=folder, env=environment)


def finish(process: subprocess.Popen) -> None:
    assert process.wait(120) == 0


def is_page(command: str, folder: Path) -> None:
    """Whether a command serves a page."""
    port = find_free_port()
    process = run(f"{command} --port={port}", folder)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
    finally:
        process.terminate()
        process.wait(30)


def test_an_export_is_served_and_shown(folder):
    command = (
        "python export.py --keras my_model.keras --name flowers --labels labels.txt --pixels=-1..1"
    )
    finish(run(command, folder))
    ports = f" --embedded --port={(port := find_free_port())} --rest-api-port={find_free_port()}"
    serving = "python -m serving --model-name flowers --model-base-path exported/flowers"
    process = run(serving + ports, folder)
    try:
        with Client(f"127.0.0.1:{port}", "flowers") as client:
            client.wait_until_ready(60)
            pictures = np.zeros((1, 90, 70, 3), np.uint8)
            looked = client.predict(
                "preview", {"pictures": pictures, "layers": np.array([1], np.int32)}
            )
        assert looked["probabilities"].shape == (1, 3)
        command = "python -m demo --server HOST:8500 --model flowers --model mnist"
        is_page(command.replace("HOST:8500", f"127.0.0.1:{port}"), folder)
    finally:
        process.terminate()
        process.wait(30)


def test_a_function_says_what_no_flag_can(folder):
    [code] = [code for kind, code in BLOCKS if kind == "python"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)
    servable = Servable(folder / "exported" / "flowers" / "1")  # with its warm-up requests
    picture = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.uint8)
    inputs = {"pictures": picture, "layer": np.array(0, np.int32)}
    prepared = servable.run("layer", inputs)["activations"]
    centred = picture[0] - picture.mean()
    np.testing.assert_allclose(prepared[0], centred / centred.std(), atol=1e-3)


def test_every_command_is_tested():
    tested = Path(__file__).read_text()
    elsewhere = "python -m demo --keras my_model.keras"  # test_demo_main has it
    for command in set(COMMANDS) - {elsewhere}:
        parts = command.removesuffix(" --model mnist").split(" --")
        assert all(part in tested for part in parts), command
