"""`python -m demo` as a command: its flags, its messages, and the processes it starts."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import gradio_client
import numpy as np
import pytest
from PIL import Image

from demo import __main__ as demo_main
from demo.__main__ import Server, endpoint_of, parse_arguments, print_access
from demo.downloads import Endpoint
from serving.client import Client, ServerUnreachable
from serving.defaults import BASE_PATH
from serving.local import find_free_port
from serving.version import VERSION
from tests.pages import ROOT, wait_for


def start(*flags: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "demo", *flags]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_local_server_is_stopped_at_the_end(base_path):
    if not (ROOT / BASE_PATH).exists():  # test_space exports at the start
        shutil.copytree(base_path, copy := base_path.with_name("copying"), dirs_exist_ok=True)
        copy.rename(ROOT / BASE_PATH)
    port = find_free_port()
    process = start(f"--port={port}")
    wait_for(f"http://127.0.0.1:{port}/", process)
    process.send_signal(signal.SIGINT)  # test_local covers SIGTERM
    printed, _ = process.communicate(timeout=30)
    target = re.search(r"Model server: gRPC on (\S+),", printed)[1]
    with Client(target) as client, pytest.raises(ServerUnreachable):
        client.versions(timeout=2)


def test_port_in_use_is_reported(server, page_url):
    port = page_url.rstrip("/").rsplit(":", 1)[1]
    process = start(f"--server={server.target}", f"--port={port}")
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Choose another port with --port" in error
    assert "Traceback" not in error


def test_auth_requires_a_login(guarded_url):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{guarded_url}config", timeout=10)
    assert caught.value.code == 401


def test_share_prints_access_and_works_without_a_tunnel(server):
    port = find_free_port()
    nowhere = {**os.environ, "GRADIO_SHARE_SERVER_ADDRESS": f"127.0.0.1:{find_free_port()}"}
    process = start(f"--server={server.target}", f"--port={port}", "--share", env=nowhere)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        printed = ""
        while "Could not create share link" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        assert "anyone with the link can use this page, its API and its MCP tools" in printed
        assert "REST API under /v1" in printed
        assert "without a password" in printed
        urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=10).close()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--tls"], "name it with --server"),
        (["--server=x:1", "--tls", "--ca=README.md"], "README.md holds no certificate in PEM"),
        (["--server=x:1", "--tls", "--ca=/nowhere"], "No such file or directory: '/nowhere'"),
        (["--server=x:1", "--rest-server=x:y"], "expected HOST:PORT or the URL of a server"),
        (["--auth=ann"], "expected USER:PASSWORD"),
        (["--server=x:1", "--real-server"], "use it without --server"),
        (["--real-server"], "there is no tensorflow_model_server on the PATH"),
        (["--model=cats"], "use either --keras or --server with --model"),
        (["--keras=x.keras", "--model=x"], "use either --keras or --server with --model"),
        (["--keras=x.keras", "--server=x:1"], "use either --keras or --server with --model"),
        (["--labels=x.txt"], "--labels is about a Keras model: name it with --keras FILE"),
        (["--pixels=0..1"], "--pixels is about a Keras model: name it with --keras FILE"),
        (["--server=x:1", "--pixels=0"], "expected two numbers, as 0..1"),
    ],
)
def test_conflicting_flags_are_refused(flags, sentence, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["demo", *flags])
    with pytest.raises(SystemExit, match="2"):
        parse_arguments()
    assert sentence in capsys.readouterr().err


def arguments_of(monkeypatch, *flags: str):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["demo", *flags])
    return parse_arguments()


@pytest.mark.parametrize(
    ("flags", "models", "pixels"),
    [
        ([], ["mnist"], None),
        (["--server=x:1"], ["mnist"], None),
        (["--server=x:1", "--model=cats"], ["cats"], None),
        (["--server=x:1", "--model=cats", "--model=dogs"], ["cats", "dogs"], None),
        (["--server=x:1", "--model=cats", "--pixels=-1..1"], ["cats"], (-1, 1)),
        (["--keras=some/small cats.keras"], ["small_cats"], None),
        (["--keras=x.keras", "--name=cats", "--pixels=0..1"], ["cats"], (0, 1)),
    ],
)
def test_flags_choose_the_models(monkeypatch, flags, models, pixels):
    arguments = arguments_of(monkeypatch, *flags)
    assert (arguments.model, arguments.pixels) == (models, pixels)


def test_version_is_printed(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="0"):
        arguments_of(monkeypatch, "--version")
    assert capsys.readouterr().out == f"Layer X-ray {VERSION}\n"


@pytest.fixture
def keras_file(tmp_path) -> Iterator[Path]:
    """A model that distinguishes light and dark pictures, with a unique name."""
    import keras

    inputs = keras.Input((8, 8, 3))
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(inputs)
    weights = np.array([[-1, 1]] * 3, np.float32), np.array([382.5, -382.5], np.float32)
    scores = keras.layers.Dense(2, "softmax", name="scores")
    model = keras.Model(inputs, scores(mean))
    scores.set_weights(weights)
    path = tmp_path / f"light-{secrets.token_hex(4)}.keras"
    model.save(path)
    yield path
    shutil.rmtree(ROOT / "exported" / path.stem, ignore_errors=True)


@pytest.mark.slow
def test_keras_file_is_exported_served_and_shown(keras_file, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("dark\nlight\n")
    port = find_free_port()
    url = f"http://127.0.0.1:{port}/"
    process = start(f"--keras={keras_file}", f"--labels={labels}", f"--port={port}")
    try:
        wait_for(url, process)
        client = gradio_client.Client(url, verbose=False)
        for level, label in ((250, "light"), (5, "dark")):
            Image.new("RGB", (20, 20), (level,) * 3).save(tmp_path / "picture.png")
            picture = gradio_client.handle_file(tmp_path / "picture.png")
            answer = client.predict(picture, api_name="/activations")
            assert answer["best"]["label"] == label
            names = [layer["name"] for layer in answer["network"]["layers"]]
            assert names == ["input", "mean", "scores"]
        client.close()
        status = f"{url}v1/models/{keras_file.stem}"
        with urllib.request.urlopen(status, timeout=10) as response:
            assert b"AVAILABLE" in response.read()
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_failed_export_ends_with_an_error(tmp_path):
    broken = tmp_path / f"broken-{secrets.token_hex(4)}.keras"
    broken.write_bytes(b"no model")
    process = start(f"--keras={broken}", f"--port={find_free_port()}")
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "the export failed, so there is nothing to show" in error
    assert "Traceback" not in error
    assert not (ROOT / "exported" / broken.stem).exists()


@pytest.mark.parametrize(
    ("flags", "endpoint"),
    [
        ([], Endpoint(None, False)),
        (["--auth=ann:secret"], Endpoint(None, True)),
        (["--no-rest", "--auth=ann:secret"], Endpoint("http://x:8501", False)),
    ],
)
def test_downloaded_requests_have_the_right_endpoint(monkeypatch, flags, endpoint):
    arguments = arguments_of(monkeypatch, "--server=x:8500", *flags)
    assert endpoint_of(arguments, Server("x:8500", "http://x:8501")) == endpoint


@pytest.mark.parametrize(
    ("error", "advises"),
    [(OSError("Cannot find empty port in range: 7860-7860."), True), (OSError(28, "full"), False)],
)
def test_only_a_port_in_use_suggests_another_port(monkeypatch, error, advises):
    def fail(*_: object) -> None:
        raise error

    arguments_of(monkeypatch, "--server=x:8500")
    monkeypatch.setattr(demo_main, "make_page", fail)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as caught:
        demo_main.main()
    assert ("--port" in str(caught.value)) == advises
    assert str(error) in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], ""),
        (["--host=127.0.0.2"], ""),
        (["--host=0.0.0.0"], "anyone who can reach this machine can use this page"),
        (["--share"], "anyone with the link can use this page"),
    ],
)
def test_access_from_other_machines_is_printed(monkeypatch, capsys, flags, message):
    print_access(arguments_of(monkeypatch, "--server=x:8500", *flags))
    printed = capsys.readouterr().out
    assert (message in printed) if message else printed == ""
