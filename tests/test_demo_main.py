"""`python -m demo` as a command: what it starts, what it stops, what it says."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from demo.__main__ import parse_arguments
from serving.client import Client, ServerUnreachable
from serving.local import find_free_port
from tests.pages import ROOT, wait_for


def start(*flags: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "demo", *flags]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def test_its_own_server_ends_with_it():
    port = find_free_port()
    process = start(f"--port={port}")
    wait_for(f"http://127.0.0.1:{port}/", process)
    process.send_signal(signal.SIGINT)  # test_local has SIGTERM too
    printed, _ = process.communicate(timeout=30)
    target = re.search(r"Model server: gRPC on (\S+),", printed)[1]
    with Client(target) as client, pytest.raises(ServerUnreachable):
        client.versions(timeout=2)


def test_a_port_that_is_taken(server, page_url):
    port = page_url.rstrip("/").rsplit(":", 1)[1]
    process = start(f"--server={server.target}", f"--port={port}")
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Choose another port with --port" in error
    assert "Traceback" not in error


def test_auth_asks_for_user_and_password(server):
    port = find_free_port()
    process = start(f"--server={server.target}", f"--port={port}", "--auth=ann:secret")
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=10)
        assert caught.value.code == 401
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_share_says_what_it_opens_and_goes_on_without_a_tunnel(server):
    port = find_free_port()
    nowhere = {**os.environ, "GRADIO_SHARE_SERVER_ADDRESS": f"127.0.0.1:{find_free_port()}"}
    process = start(f"--server={server.target}", f"--port={port}", "--share", env=nowhere)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        printed = ""
        while "Could not create share link" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        assert "whoever has the link can use this page, its API and its MCP tools" in printed
        assert "REST API under /v1" in printed
        assert "without a password" in printed
        urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=10).close()
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--tls"], "name it with --server"),
        (["--server=x:1", "--tls", "--ca=README.md"], "README.md holds no certificate in PEM"),
        (["--server=x:1", "--tls", "--ca=/nowhere"], "No such file or directory: '/nowhere'"),
        (["--server=x:1", "--rest-server=x:y"], "expected HOST:PORT or the URL of a server"),
        (["--auth=ann"], "expected USER:PASSWORD"),
    ],
)
def test_flags_that_do_not_fit_together(flags, sentence, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["demo", *flags])
    with pytest.raises(SystemExit, match="2"):
        parse_arguments()
    assert sentence in capsys.readouterr().err
