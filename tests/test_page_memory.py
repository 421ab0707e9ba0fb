"""What many visitors leave in the page's memory."""

import re
import urllib.request

import httpx

from demo.__main__ import MOST_SESSIONS
from tests.pages import run_page

MORE = 1500
MOST_MB = 15  # 50 if each of them stayed


def test_visitors_through_gradio_do_not_stay_in_memory(server):
    with run_page(server.target) as url, httpx.Client(base_url=url, trust_env=False) as client:
        components = client.get("/config").json()["components"]
        live = next(each for each in components if "server_fns" in each["props"])

        def come(visitors: range) -> None:
            for visitor in visitors:
                call = {"component_id": live["id"], "fn_name": "ask", "data": {}}
                answer = client.post(
                    "/gradio_api/component_server/", json={**call, "session_hash": str(visitor)}
                )
                assert "error" in answer.json()

        come(range(MOST_SESSIONS))
        before = _megabytes(url)
        come(range(MOST_SESSIONS, MOST_SESSIONS + MORE))
        assert _megabytes(url) < before + MOST_MB


def _megabytes(url: str) -> float:
    with urllib.request.urlopen(f"{url}metrics", timeout=10) as response:
        told = response.read().decode()
    return float(re.search(r"(?m)^process_resident_memory_bytes (\S+)$", told)[1]) / 2**20
