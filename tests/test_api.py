"""The page as a program calls it."""

import numpy as np
import pytest
from gradio_client import Client, handle_file

from tests.pictures import dark_on_light, encode
from tests.test_render import read_sheet


@pytest.fixture
def api(page_url):
    client = Client(page_url, verbose=False)
    yield client
    client.close()


@pytest.fixture
def picture(digits, tmp_path) -> str:
    path = tmp_path / "two.png"
    path.write_bytes(encode(dark_on_light(digits[0][1100]), "PNG"))
    return str(path)


def test_a_picture_is_looked_at(api, picture):
    answer = api.predict(handle_file(picture), api_name="/look")
    assert answer["digit"] == 2
    assert np.argmax(answer["probabilities"]) == 2
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert read_sheet(answer["sheet"]).any()
    assert answer["largest"]["h_conv1"] > 0


def test_the_endpoint_is_documented(api):
    endpoints = api.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/look"}
    assert "probabilities" in str(endpoints["/look"]["returns"])
