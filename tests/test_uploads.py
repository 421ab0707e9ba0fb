"""Uploads that fail leave no file, and a full disk is said."""

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

from demo.uploads import DISK_IS_FULL, remove_failed_uploads, tell_full_disk

HEADERS = [(b"content-type", b"multipart/form-data; boundary=here")]
HEAD = b'--here\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
END = b"\r\n--here--\r\n"


@pytest.fixture(autouse=True)
def gradio_as_it_was(monkeypatch):
    for module in (route_utils, routes):
        monkeypatch.setattr(module, "GradioMultiPartParser", module.GradioMultiPartParser)
    remove_failed_uploads()


def upload(folder, *messages: dict):
    left = list(messages)

    async def receive() -> dict:
        return left.pop(0)

    request = Request({"type": "http", "method": "POST", "headers": HEADERS}, receive)
    with start_blocking_portal() as portal:  # in this thread Playwright's event loop may run
        return portal.call(route_utils.upload_fn, request, folder, math.inf, None)


def part(body: bytes) -> dict:
    return {"type": "http.request", "body": body, "more_body": True}


def test_an_upload_that_is_broken_off_leaves_no_file(tmp_path):
    with pytest.raises(ClientDisconnect):
        upload(tmp_path, part(HEAD + bytes(100_000)), {"type": "http.disconnect"})
    assert list(tmp_path.iterdir()) == []


def test_an_upload_to_a_full_disk_leaves_no_file(tmp_path, monkeypatch):
    async def fail(self, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(route_utils.GradioUploadFile, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        upload(tmp_path, part(HEAD + bytes(100_000)))
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_arrives_stays(tmp_path):
    end = {"type": "http.request", "body": END, "more_body": False}
    [path], *_ = upload(tmp_path, part(HEAD + b"a picture"), end)
    assert Path(path).read_bytes() == b"a picture"


def test_all_of_gradios_endpoints_leave_none():
    assert routes.GradioMultiPartParser is route_utils.GradioMultiPartParser  # it has two of them


def test_a_full_disk_is_said_and_other_errors_stay_what_they_are():
    def fail(request: Request):
        raise OSError(int(request.query_params["errno"]), "of the system")

    app = Starlette(routes=[Route("/", fail)], exception_handlers={OSError: tell_full_disk})
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/", params={"errno": errno.ENOSPC})
        assert (answer.status_code, answer.text) == (507, DISK_IS_FULL)
        assert client.get("/", params={"errno": errno.EIO}).status_code == 500
