"""The page's API, called by Gradio's client, by plain HTTP and by an MCP client."""

import ast
import base64
from pathlib import Path

import httpx
import numpy as np
import pytest
import tensorflow as tf
from anyio.from_thread import start_blocking_portal
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

from model.picture import to_drawing
from tests.galleries import GALLERIES
from tests.pages import ROOT
from tests.pictures import dark_on_light, encode, read_sheet


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


def truth_of(client, picture: str) -> dict[str, np.ndarray]:
    """The model server's layers for the same picture, whose ink TensorFlow finds."""
    ink = to_drawing(tf.constant(Path(picture).read_bytes())).numpy()
    answer = client.predict("sketch", {"drawings": ink[None]})
    return {name: array[0] for name, array in answer.items()}


def assert_two(answer: dict, truth: dict[str, np.ndarray]) -> None:
    assert [score["label"] for score in answer["scores"]] == list("0123456789")
    assert [score["index"] for score in answer["scores"]] == list(range(10))
    values = [score["value"] for score in answer["scores"]]
    np.testing.assert_allclose(values, truth["probabilities"], atol=0.02)
    assert sum(values) == pytest.approx(1, abs=1e-4)
    assert answer["best"] == answer["scores"][2]
    assert answer["sure"] is True


def test_activations_returns_prediction_and_sheet(api, client, picture):
    answer = api.predict(handle_file(picture), api_name="/activations")
    truth = truth_of(client, picture)
    assert_two(answer, truth)
    sheet = read_sheet(answer["sheet"])
    assert answer["layers"] == list(range(7))
    layers = answer["network"]["layers"]
    assert sum(layer["height"] for layer in layers) == len(sheet)
    assert max(layer["width"] for layer in layers) == sheet.shape[1]
    for gallery in GALLERIES:
        layer = layers[gallery.index]
        assert (layer["name"], layer["height"], layer["width"]) == (
            gallery.name,
            gallery.height,
            gallery.width,
        )
        shown = gallery.map_on(sheet, gallery.maps - 1)
        assert (shown[:, :, 3] == 255).all()
        assert answer["largest"][gallery.index] == pytest.approx(
            truth[gallery.name].max(), rel=0.02
        )


def test_endpoints_are_documented(api):
    endpoints = api.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/activations", "/classify"}
    for name in ("best", "sure", "scores", "sheet", "network", "largest"):
        assert name in str(endpoints["/activations"]["returns"])


def test_classify_returns_the_prediction(api, client, picture):
    answer = api.predict(handle_file(picture), api_name="/classify")
    assert set(answer) == {"best", "sure", "scores"}
    assert_two(answer, truth_of(client, picture))


def test_blank_or_missing_picture_has_no_best_class(api, tmp_path):
    blank = tmp_path / "blank.png"
    Image.new("RGB", (60, 50), "white").save(blank)
    for request in (handle_file(blank), None):
        answer = api.predict(request, api_name="/classify")
        assert (answer["best"], answer["sure"]) == (None, False)
        assert len(answer["scores"]) == 10


@pytest.mark.parametrize("name", ["activations", "classify"])
@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_path_on_the_server_is_refused(page_url, name, meta):
    file = {"path": str(ROOT / "demo" / "digit.png"), **meta}
    url = f"{page_url}gradio_api/call/{name}"
    event = httpx.post(url, json={"data": [file]}).json()["event_id"]
    assert "event: error" in httpx.get(f"{url}/{event}", timeout=20).text


def test_mcp_tool_classifies_a_picture(page_url, picture):
    data_url = "data:image/png;base64," + base64.b64encode(Path(picture).read_bytes()).decode()

    server = f"{page_url}gradio_api/mcp/?tools=classify_picture"

    async def ask() -> tuple[list[str], str]:
        async with (
            streamablehttp_client(server) as (
                reader,
                writer,
                _,
            ),
            ClientSession(reader, writer) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            assert set(tools) == {"classify_picture"}
            assert "Classifies a picture" in tools["classify_picture"].description
            answer = await session.call_tool("classify_picture", {"picture": data_url})
            return list(tools), answer.content[0].text

    with start_blocking_portal() as portal:  # Playwright's event loop may run in this thread
        tools, answer = portal.call(ask)
    assert tools == ["classify_picture"]
    assert ast.literal_eval(answer)["best"]["index"] == 2  # Gradio returns a Python literal
