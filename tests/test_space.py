"""The repository as a Hugging Face Space: copied, installed and started as a Space does."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from gradio_client import Client, handle_file

from serving.local import find_free_port
from tests.pages import ROOT

MAX_FILE_BYTES = 10 * 2**20  # larger files need Git LFS on a Space
UNPRIVILEGED = 1000  # user ID on a Space
INSTALL_SECONDS, START_SECONDS = 600, 60


def front_matter(path: Path) -> dict:
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", path.read_text(), re.DOTALL)[1])


def tracked_files() -> list[str]:
    return subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]


def as_unprivileged(**options) -> dict:
    """Returns the options of a subprocess that runs as an ordinary user."""
    if os.geteuid() == 0:
        options |= {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
    return options


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home of a Space's user, with the repository in `app` and the packages in `.venv`."""
    folder = Path(tempfile.mkdtemp(prefix="space-"))
    for name in tracked_files():
        target = folder / "app" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
    environment = {**os.environ, "HOME": str(folder)}
    venv = [find_python(), "-m", "venv", ".venv"]
    pip = [
        *(".venv/bin/python", "-m", "pip", "install", "--quiet", "-r", "app/requirements.txt"),
        *("--no-cache-dir", "--no-compile"),  # the folder is used once
    ]
    for command in (venv, pip):
        subprocess.run(
            command,
            **as_unprivileged(cwd=folder, env=environment, check=True, timeout=INSTALL_SECONDS),
        )
    yield folder
    shutil.rmtree(folder)


def find_python() -> str:
    """Returns an interpreter that an unprivileged user may run."""
    for python in (sys._base_executable, "/usr/bin/python3"):
        try:
            subprocess.run([python, "-c", "import venv, ensurepip"], **as_unprivileged(check=True))
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    skip_or_fail = pytest.fail if "CI" in os.environ else pytest.skip
    return skip_or_fail("there is no Python that an unprivileged user may run")


def test_page_starts_on_a_space(home):
    port = find_free_port()
    app_file = front_matter(ROOT / "README.md")["app_file"]
    environment = {
        "PATH": f"{home}/.venv/bin:/usr/bin:/bin",
        "HOME": str(home),
        "GRADIO_TEMP_DIR": str(home / "tmp"),  # /tmp/gradio may belong to another user
        "SYSTEM": "spaces",
        "SPACE_ID": "user/layer-xray",
        "SPACE_HOST": "user-layer-xray.hf.space",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_NUM_PORTS": "1",
        "GRADIO_SSR_MODE": "true",
        "GRADIO_ANALYTICS_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }
    log = home / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [f"{home}/.venv/bin/python", app_file],
            **as_unprivileged(cwd=home / "app", env=environment, stdout=file, stderr=file),
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        end = time.monotonic() + START_SECONDS
        while not answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        client = Client(url, verbose=False)
        picture = handle_file(ROOT / "demo" / "digit.png")
        assert client.predict(picture, api_name="/activations")["best"]["label"] == "5"
        client.close()
        with urllib.request.urlopen(f"{url}v1/models/mnist", timeout=10) as response:
            assert b"AVAILABLE" in response.read()
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


def test_front_matter_matches_the_repository():
    space = front_matter(ROOT / "README.md")
    assert space["sdk"] == "gradio"
    assert (ROOT / space["app_file"]).is_file()
    required = re.search(r"gradio\[mcp\]~=(\S+)", (ROOT / "requirements.txt").read_text())[1]
    assert space["sdk_version"].startswith(f"{required}.")
    docker = front_matter(ROOT / "serving" / "space" / "README.md")
    assert (docker["sdk"], docker["app_port"]) == ("docker", 7860)


def test_no_file_needs_git_lfs():
    sizes = {name: (ROOT / name).stat().st_size for name in tracked_files()}
    assert {name: size for name, size in sizes.items() if size > MAX_FILE_BYTES} == {}
