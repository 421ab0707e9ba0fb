"""What can be taken along: requests that run when pasted, activations as a file."""

import base64
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from demo.takes import Place, make_takes
from tests.pages import run_page

REQUESTS = ("curl", "python", "grpc")


@pytest.fixture(scope="module")
def drawings(digits) -> list[np.ndarray]:
    """Three digits on a pad of 112x112."""
    return [np.kron(digits[0][index], np.ones((4, 4), np.uint8)) for index in (700, 2100, 4600)]


def paste(what: str, text: str) -> str:
    if what == "curl" and not shutil.which("curl"):
        pytest.skip("there is no curl")
    command = ["bash", "-c"] if what == "curl" else [sys.executable, "-c"]
    result = subprocess.run(
        [*command, text], capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout


def digit_of(what: str, printed: str) -> int:
    if what == "grpc":
        return int(printed)
    answer = json.loads(printed)
    return (answer["predictions"][0] if what == "curl" else answer)["classes"]


@pytest.mark.parametrize("what", REQUESTS)
@pytest.mark.parametrize("which", ["newest", "first"])
def test_a_pasted_request_gets_the_same_digit(client, page_url, drawings, what, which):
    version = None if which == "newest" else client.versions()[0]
    take = make_takes(client, Place())[what]
    for drawing in drawings[: 1 if what == "grpc" else None]:
        truth = client.predict("sketch", {"drawings": drawing[None]}, version=version)
        printed = paste(what, take(drawing, version, page_url))
        assert digit_of(what, printed) == truth["probabilities"][0].argmax()


def test_a_request_where_the_page_asks_for_a_password(server, client, drawings):
    flags = (f"--rest-server=127.0.0.1:{server.rest_api_port}", "--auth=ann:secret")
    with run_page(server.target, *flags) as url:
        for what in ("curl", "python"):
            text = make_takes(client, Place(auth=True))[what](drawings[0], None, url)
            printed = paste(what, text.replace("USER:PASSWORD", "ann:secret"))
            assert digit_of(what, printed) == 1


def test_where_the_page_does_not_pass_rest_on(client, drawings):
    place = Place("http://models.example.org:8501")
    for what in ("curl", "python"):
        text = make_takes(client, place)[what](drawings[0], 10, "http://page.example.org/")
        assert "http://models.example.org:8501/v1/models/mnist/versions/10:predict" in text
        assert "page.example.org" not in text


def test_all_activations_in_a_file(client, drawings):
    text = make_takes(client, Place())["npz"](drawings[1], None, "")
    truth = client.predict("sketch", {"drawings": drawings[1][None]})
    with np.load(io.BytesIO(base64.b64decode(text))) as file:
        assert set(file.files) == set(truth)
        for name, array in truth.items():
            np.testing.assert_array_equal(file[name], array[0])
