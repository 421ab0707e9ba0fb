"""The local server process: loading and dropping versions, starting, stopping and restarting."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from serving.client import Client, ModelNotLoaded, RequestRefused, ServingError
from serving.config import read_config
from serving.local import LocalServer, LocalServerError, find_free_port
from serving.version import VERSION
from tests.pages import FAST_START, ROOT

BLANK = np.zeros((1, 28, 28), np.float32)
LISTENING = "0A"  # Linux's TCP_LISTEN


def wait_until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition did not hold within {seconds:g} s"
        time.sleep(0.05)


def test_versions_load_fail_and_disappear_while_serving(base_path, tmp_path):
    versions = sorted(int(path.name) for path in base_path.iterdir())
    first, last = versions[0], versions[-1]
    served = tmp_path / "mnist"
    shutil.copytree(base_path / str(first), served / str(first))
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "mnist" base_path: "{served}" '
        f'model_platform: "tensorflow" model_version_policy {{ all {{}} }} '
        f'version_labels {{ key: "stable" value: {first} }} }} }}'
    )
    flags = (f"--model_config_file={config}",)
    with LocalServer(served, flags=flags) as server, Client(server.target) as client:

        def logits(**version) -> list[float]:
            answer = client.predict("serving_default", {"images": BLANK}, **version)
            return answer["logits"][0].tolist()

        old = logits()
        assert logits(label="stable") == old
        unfinished = served / "copying"
        shutil.copytree(base_path / str(last), unfinished)
        unfinished.rename(served / str(last))
        wait_until(lambda: client.versions() == [first, last])
        new = logits()
        assert new != old
        assert logits(version=first) == logits(label="stable") == old
        assert logits(version=last) == new

        (served / str(last + 1)).mkdir()  # no SavedModel in it
        url = f"http://127.0.0.1:{server.rest_api_port}/v1/models/mnist/versions/{last + 1}"
        wait_until(lambda: "END" in _get(url))
        [status] = json.loads(_get(url))["model_version_status"]
        assert status["status"]["error_code"] != "OK"
        assert status["status"]["error_message"]
        assert logits() == new

        shutil.rmtree(served / str(first))
        wait_until(lambda: client.versions() == [last])
        with pytest.raises(ModelNotLoaded, match=f"Specific.mnist, {first}"):
            logits(version=first)
        assert logits() == new
        with pytest.raises(RequestRefused, match="other"):
            logits(label="other")


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def run_serving(*flags: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "serving", *flags]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def startup_error(*flags: str) -> str:
    """Returns the error message of a server that does not start; fails if it has a traceback."""
    process = run_serving(*flags)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--model-base-path=/nowhere"], "there is no folder /nowhere. `python export.py` creates"),
        (["--model-config-file=README.md"], "README.md is not a valid model configuration"),
    ],
)
def test_startup_error_names_its_cause(flags, sentence):
    assert sentence in startup_error(*flags)


def test_version_flag_prints_the_version_of_the_project():
    process = run_serving("--version")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output == f"Layer X-ray {VERSION}\n"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_port_in_use_is_an_error(server, base_path):
    error = startup_error(
        f"--model-base-path={base_path}",
        f"--port={server.port}",
        f"--rest-api-port={find_free_port()}",
    )
    assert "choose other ports with --port" in error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_server_stops_on_a_signal(newest_alone, number):
    port = find_free_port()
    process = run_serving(
        f"--model-base-path={newest_alone}", f"--port={port}", f"--rest-api-port={find_free_port()}"
    )
    with Client(f"127.0.0.1:{port}") as client:
        client.wait_until_ready(60)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_local_server_error_contains_the_output(tmp_path):
    with pytest.raises(LocalServerError, match="there is no folder"):
        LocalServer(tmp_path / "nothing").__enter__()


def test_model_is_served_under_the_given_name(newest_alone, final_version):
    with LocalServer(newest_alone, "digits", flags=FAST_START) as server:
        with Client(server.target, "digits") as client:
            assert client.versions() == [final_version]
            answer = client.predict("serving_default", {"images": BLANK})
            assert answer.version == final_version
        with Client(server.target) as client, pytest.raises(ModelNotLoaded):
            client.versions()
        url = f"http://127.0.0.1:{server.rest_api_port}/v1/models/digits"
        assert "AVAILABLE" in _get(url)


def test_local_server_restarts_after_a_crash(newest_alone):
    with LocalServer(newest_alone, flags=FAST_START) as server, Client(server.target) as client:
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not _is_ready(client))
        wait_until(lambda: _is_ready(client), seconds=60)
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _is_ready(client: Client) -> bool:
    try:
        return bool(client.versions(timeout=1))
    except ServingError:
        return False


@pytest.fixture
def real_server(tmp_path) -> Path:
    """A folder with a fake tensorflow_model_server that records its flags and configuration."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "tensorflow_model_server"
    program.write_text(
        f"""#!/bin/sh
printf "%s\\n" "$@" > {folder}/flags
for flag; do
  case $flag in --model_config_file=*) cat "${{flag#*=}}" > {folder}/models.config ;; esac
done
"""
    )
    program.chmod(0o755)
    return folder


def flags_of(real_server: Path) -> dict[str, str]:
    lines = (real_server / "flags").read_text().splitlines()
    return dict(line.removeprefix("--").split("=", 1) for line in lines)


def with_path(folder: Path) -> dict[str, str]:
    """The environment with a folder at the start of the PATH."""
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_installed_real_server_is_started(real_server, base_path):
    process = run_serving(
        f"--model_base_path={base_path}",
        "--model_name=digits",
        "--port=1234",
        "--rest_api_port=5678",
        env=with_path(real_server),
    )
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    flags = flags_of(real_server)
    assert flags["port"] == "1234"
    assert flags["rest_api_port"] == "5678"
    # Without it, labels for versions that are still loading stop the server.
    assert flags["allow_version_labels_for_unavailable_models"] == "true"
    [model] = read_config(real_server / "models.config").model_config_list.config
    assert (model.name, model.base_path) == ("digits", str(base_path))
    assert model.model_version_policy.HasField("all")
    assert "reaches gRPC on port 1234 and REST on port 5678" in printed


def test_real_server_reads_its_configuration_from_memory(real_server, base_path, tmp_path):
    """Another user of the machine could create a temporary file with a predictable name."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    environment = {**with_path(real_server), "TMPDIR": str(folder)}
    process = run_serving(f"--model_base_path={base_path}", env=environment)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert list(folder.iterdir()) == []
    assert not flags_of(real_server)["model_config_file"].startswith("/tmp")


def test_real_local_server_uses_a_socket_and_no_ports(real_server, base_path, monkeypatch):
    monkeypatch.setenv("PATH", with_path(real_server)["PATH"])
    server = LocalServer(base_path, "digits", rest_api_port=0, is_real=True)
    with pytest.raises(LocalServerError, match="did not start"):
        server.__enter__()  # the fake server exits at once
    flags = flags_of(real_server)
    assert (flags["port"], flags["rest_api_port"]) == ("0", "0")
    [model] = read_config(real_server / "models.config").model_config_list.config
    assert model.name == "digits"
    assert server.target == f"unix:{flags['grpc_socket_path']}"
    assert not Path(flags["grpc_socket_path"]).parent.exists()


def test_local_server_is_embedded_by_default(real_server, newest_alone, monkeypatch):
    monkeypatch.setenv("PATH", with_path(real_server)["PATH"])
    with LocalServer(newest_alone, flags=FAST_START) as server, Client(server.target) as client:
        assert client.versions()
    assert not (real_server / "flags").exists()


def test_rest_can_be_disabled(newest_alone):
    with (
        LocalServer(newest_alone, rest_api_port=0, flags=FAST_START) as server,
        Client(server.target) as client,
    ):
        assert client.versions()
        assert listening_ports(server.pid) == {server.port}


def listening_ports(pid: int) -> set[int]:
    """Returns the TCP ports that a process listens on (Linux, proc(5))."""
    open_files = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()}
    ports = set()
    for protocol in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == LISTENING and f"socket:[{inode}]" in open_files:
                ports.add(int(address.rpartition(":")[2], 16))
    return ports
