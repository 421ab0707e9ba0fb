"""The page as a program calls it."""

import ast
import base64
from pathlib import Path

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


def read_by(client, picture: str) -> dict[str, np.ndarray]:
    """What the model server makes of the same ink, which TensorFlow has found."""
    ink = to_drawing(tf.constant(Path(picture).read_bytes())).numpy()
    answer = client.predict("sketch", {"drawings": ink[None]})
    return {name: array[0] for name, array in answer.items()}


def assert_reads_two(answer: dict, truth: dict[str, np.ndarray]) -> None:
    assert [score["label"] for score in answer["scores"]] == list("0123456789")
    assert [score["index"] for score in answer["scores"]] == list(range(10))
    values = [score["value"] for score in answer["scores"]]
    np.testing.assert_allclose(values, truth["probabilities"], atol=0.02)
    assert sum(values) == pytest.approx(1, abs=1e-4)
    assert answer["best"] == answer["scores"][2]
    assert answer["sure"] is True


def test_a_picture_is_looked_at(api, client, picture):
    answer = api.predict(handle_file(picture), api_name="/activations")
    truth = read_by(client, picture)
    assert_reads_two(answer, truth)
    sheet = read_sheet(answer["sheet"])
    assert answer["layers"] == list(range(7))
    layers = answer["network"]["layers"]
    assert sum(layer["height"] for layer in layers) == len(sheet)
    assert max(layer["width"] for layer in layers) == sheet.shape[1]
    for gallery in GALLERIES:
        told = layers[gallery.index]
        assert (told["name"], told["height"], told["width"]) == (
            gallery.name,
            gallery.height,
            gallery.width,
        )
        shown = gallery.map_on(sheet, gallery.maps - 1)
        assert (shown[:, :, 3] == 255).all()
        assert answer["largest"][gallery.index] == pytest.approx(
            truth[gallery.name].max(), rel=0.02
        )


def test_the_endpoint_is_documented(api):
    endpoints = api.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/activations", "/classify"}
    for name in ("best", "sure", "scores", "sheet", "network", "largest"):
        assert name in str(endpoints["/activations"]["returns"])


def test_a_picture_is_read(api, client, picture):
    answer = api.predict(handle_file(picture), api_name="/classify")
    assert set(answer) == {"best", "sure", "scores"}
    assert_reads_two(answer, read_by(client, picture))


def test_nothing_is_read_of_a_blank_page_or_of_none(api, tmp_path):
    blank = tmp_path / "blank.png"
    Image.new("RGB", (60, 50), "white").save(blank)
    for sent in (handle_file(blank), None):
        answer = api.predict(sent, api_name="/classify")
        assert (answer["best"], answer["sure"]) == (None, False)
        assert len(answer["scores"]) == 10


def test_an_agent_reads_a_picture(page_url, picture):
    """Through the Model Context Protocol, with its own client."""
    as_url = "data:image/png;base64," + base64.b64encode(Path(picture).read_bytes()).decode()

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
            assert "Reads what is in a picture" in tools["classify_picture"].description
            answer = await session.call_tool("classify_picture", {"picture": as_url})
            return list(tools), answer.content[0].text

    with start_blocking_portal() as portal:  # in this thread Playwright's own loop may run
        tools, answer = portal.call(ask)
    assert tools == ["classify_picture"]
    assert (
        ast.literal_eval(answer)["best"]["index"] == 2
    )  # Gradio answers tools in Python's own form
