"""Downloads: requests that run when pasted, and activations as a file."""

import base64
import http.server
import io
import json
import shutil
import ssl
import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest
import trustme
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from demo import downloads
from demo.downloads import Endpoint, make_downloads
from demo.errors import RequestError
from demo.network import ExposedNetwork
from serving.client import Client
from serving.tensors import to_proto
from tests.test_client import OtherServer

REQUESTS = ("curl", "python", "grpc")


@pytest.fixture(scope="module")
def drawings(digits) -> list[np.ndarray]:
    """Three digits: uint8 [112, 112, 1] each."""
    enlarged = [np.kron(digits[0][i], np.ones((4, 4), np.uint8)) for i in (700, 2100, 4600)]
    return [digit[:, :, None] for digit in enlarged]


@pytest.fixture(scope="module")
def network(client) -> ExposedNetwork:
    return ExposedNetwork(client)


def paste(name: str, text: str) -> str:
    if name == "curl" and not shutil.which("curl"):
        pytest.skip("there is no curl")
    command = ["bash", "-c"] if name == "curl" else [sys.executable, "-c"]
    result = subprocess.run(
        [*command, text], capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout


def digit_of(name: str, printed: str) -> int:
    if name == "grpc":
        return int(printed)
    answer = json.loads(printed)
    return (answer["predictions"][0] if name == "curl" else answer)["classes"]


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("which", ["newest", "first"])
def test_pasted_request_returns_the_same_digit(client, network, page_url, drawings, name, which):
    version = None if which == "newest" else client.versions()[0]
    download = make_downloads(network, Endpoint())[name]
    for drawing in drawings[: 1 if name == "grpc" else None]:
        truth = client.predict("sketch", {"drawings": drawing[None, :, :, 0]}, version=version)
        printed = paste(name, download(drawing, version, page_url))
        assert digit_of(name, printed) == truth["probabilities"][0].argmax()


def test_request_has_a_placeholder_for_the_password(guarded_url, network, drawings):
    for name in ("curl", "python"):
        text = make_downloads(network, Endpoint(auth=True))[name](drawings[0], None, guarded_url)
        printed = paste(name, text.replace("USER:PASSWORD", "ann:secret"))
        assert digit_of(name, printed) == 1


def test_request_goes_to_the_model_server_without_a_proxy(network, drawings):
    endpoint = Endpoint("http://models.example.org:8501")
    for name in ("curl", "python"):
        text = make_downloads(network, endpoint)[name](drawings[0], 10, "http://page.example.org/")
        assert "http://models.example.org:8501/v1/models/mnist/versions/10:predict" in text
        assert "page.example.org" not in text


@pytest.fixture(scope="module")
def authority() -> tuple[str, tuple[bytes, bytes]]:
    """A CA that no system trusts, and the key and certificate that it issued for 127.0.0.1."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
    return authority.cert_pem.bytes().decode(), (certificate.private_key_pem.bytes(), chain)


@pytest.mark.slow
def test_grpc_request_trusts_the_given_ca(authority, drawings):
    ca, pair = authority

    def answer(request, context) -> PredictResponse:
        response = PredictResponse()
        response.outputs["classes"].CopyFrom(to_proto(np.array([4])))
        return response

    with OtherServer(answer, grpc.ssl_server_credentials([pair])) as server:
        with Client(server.target, tls=True, ca=ca.encode()) as client:
            network = ExposedNetwork(client)
            text = make_downloads(network, Endpoint(ca=ca))["grpc"](drawings[0], None, "")
        assert digit_of("grpc", paste("grpc", text)) == 4


@pytest.mark.parametrize("name", ["curl", "python"])
def test_https_request_trusts_the_given_ca(authority, network, drawings, name, tmp_path):
    ca, (key, chain) = authority
    (tmp_path / "pem").write_bytes(key + chain)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"predictions": [{"classes": 4}]}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{server.server_port}"
        text = make_downloads(network, Endpoint(url, ca=ca))[name](drawings[0], None, "")
        assert digit_of(name, paste(name, text)) == 4
        server.shutdown()


def test_rest_request_without_rest_is_refused(network, drawings):
    for name in ("curl", "python"):
        with pytest.raises(RequestError, match="has no REST API"):
            make_downloads(network, Endpoint(""))[name](
                drawings[0], None, "http://page.example.org/"
            )


def test_npz_has_all_activations(client, network, drawings):
    text = make_downloads(network, Endpoint())["npz"](drawings[1], None, "")
    truth = client.predict("sketch", {"drawings": drawings[1][None, :, :, 0]})
    truth["input"] = truth.pop("images")
    truth["scores"] = truth["logits"]
    with np.load(io.BytesIO(base64.b64decode(text))) as file:
        assert set(file.files) == set(truth)
        for name, array in truth.items():
            assert file[name].dtype == np.float32
            np.testing.assert_allclose(file[name], array[0], rtol=1e-5, atol=1e-6)


def test_npz_is_of_the_requested_version(client, network, drawings):
    first = client.versions()[0]
    text = make_downloads(network, Endpoint())["npz"](drawings[1], first, "")
    truth = client.predict("sketch", {"drawings": drawings[1][None, :, :, 0]}, version=first)
    with np.load(io.BytesIO(base64.b64decode(text))) as file:
        np.testing.assert_allclose(file["h_pool2"], truth["h_pool2"][0], rtol=1e-5, atol=1e-6)


def test_too_large_npz_is_refused(network, drawings, monkeypatch):
    monkeypatch.setattr(downloads, "MAX_DOWNLOAD_BYTES", 2**17)  # all layers have 0.2 MB
    with pytest.raises(RequestError, match="signature `layer`"):
        make_downloads(network, Endpoint())["npz"](drawings[1], None, "")
