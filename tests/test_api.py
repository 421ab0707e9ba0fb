"""The page as a program calls it."""

import ast
import base64
from pathlib import Path

import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from gradio_client import Client, handle_file
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

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
    assert set(endpoints) == {"/look", "/read_digit"}
    assert "probabilities" in str(endpoints["/look"]["returns"])


def test_a_picture_is_read(api, picture):
    answer = api.predict(handle_file(picture), api_name="/read_digit")
    assert set(answer) == {"digit", "sure", "probabilities"}
    assert (answer["digit"], answer["sure"]) == (2, True)


def test_an_agent_reads_a_picture(page_url, picture):
    """Through the Model Context Protocol, with its own client."""
    as_url = "data:image/png;base64," + base64.b64encode(Path(picture).read_bytes()).decode()

    server = f"{page_url}gradio_api/mcp/?tools=read_digit"

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
            assert "calibrated probability" in tools["read_digit"].description
            answer = await session.call_tool("read_digit", {"picture": as_url})
            return list(tools), answer.content[0].text

    with start_blocking_portal() as portal:  # in this thread Playwright's own loop may run
        tools, answer = portal.call(ask)
    assert tools == ["read_digit"]
    assert ast.literal_eval(answer)["digit"] == 2  # Gradio answers tools in Python's own form
