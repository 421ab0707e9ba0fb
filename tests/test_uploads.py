"""Uploads: failed ones leave no file, and a full disk is reported."""

import errno
import math
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from gradio import route_utils, routes
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route
from starlette.testclient import TestClient

from demo.uploads import DISK_IS_FULL, remove_failed_uploads, report_full_disk

HEADERS = [(b"content-type", b"multipart/form-data; boundary=here")]
HEAD = b'--here\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
END = b"\r\n--here--\r\n"


@pytest.fixture(autouse=True)
def patched_gradio(monkeypatch):
    for module in (route_utils, routes):
        monkeypatch.setattr(module, "GradioMultiPartParser", module.GradioMultiPartParser)
    remove_failed_uploads()


def upload(folder, *messages: dict):
    remaining = list(messages)

    async def receive() -> dict:
        return remaining.pop(0)

    request = Request({"type": "http", "method": "POST", "headers": HEADERS}, receive)
    with start_blocking_portal() as portal:  # Playwright's event loop may run in this thread
        return portal.call(route_utils.upload_fn, request, folder, math.inf, None)


def part(body: bytes) -> dict:
    return {"type": "http.request", "body": body, "more_body": True}


def test_aborted_upload_leaves_no_file(tmp_path):
    with pytest.raises(ClientDisconnect):
        upload(tmp_path, part(HEAD + bytes(100_000)), {"type": "http.disconnect"})
    assert list(tmp_path.iterdir()) == []


def test_upload_to_a_full_disk_leaves_no_file(tmp_path, monkeypatch):
    async def fail(self, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(route_utils.GradioUploadFile, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        upload(tmp_path, part(HEAD + bytes(100_000)))
    assert list(tmp_path.iterdir()) == []


def test_complete_upload_is_kept(tmp_path):
    end = {"type": "http.request", "body": END, "more_body": False}
    [path], *_ = upload(tmp_path, part(HEAD + b"a picture"), end)
    assert Path(path).read_bytes() == b"a picture"


def test_both_upload_endpoints_are_patched():
    assert routes.GradioMultiPartParser is route_utils.GradioMultiPartParser


def test_full_disk_is_reported_and_other_errors_are_not():
    def fail(request: Request):
        raise OSError(int(request.query_params["errno"]), "an error")

    app = Starlette(routes=[Route("/", fail)], exception_handlers={OSError: report_full_disk})
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/", params={"errno": errno.ENOSPC})
        assert (answer.status_code, answer.text) == (507, DISK_IS_FULL)
        assert client.get("/", params={"errno": errno.EIO}).status_code == 500
