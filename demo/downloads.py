"""Downloads: a picture's activations as a file, or a request that classifies it, to be pasted."""

import base64
import io
import json
import math
import shlex
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from demo.errors import RequestError
from demo.network import Network

CLASSIFY = "classify"  # signature that the requests call
MAX_DOWNLOAD_BYTES = 2**25  # activations in a file, before compression


class Endpoint(NamedTuple):
    """The address of the model server for visitors of the page."""

    rest: str | None = None  # URL of REST; "" if there is none, None for the page's own address
    auth: bool = False  # whether REST requires a user and password
    ca: str | None = None  # trusted certificates in PEM; None for the system's


Download = Callable[[np.ndarray, int | None, str], str]  # picture, version, URL of the page


def make_downloads(network: Network, endpoint: Endpoint) -> dict[str, Download]:
    """Returns the downloads by name: `npz`, `curl`, `python` and `grpc`.

    `npz` returns a file in base64. The others return a command or program that sends the picture to
    the signature `classify`: `curl` and `python` (standard library only) print JSON, `grpc` (needs
    tensorflow-serving-api) prints the class.

    Args:
        network: classifies the pictures.
        endpoint: where the requests are sent.
    """
    client = network.client

    def url_of(version: int | None, page: str) -> str:
        if endpoint.rest == "":
            raise RequestError("this model server has no REST API: use the gRPC request instead")
        server = (endpoint.rest or page).rstrip("/")
        path = "" if version is None else f"/versions/{version}"
        return f"{server}/v1/models/{client.model}{path}:predict"

    def trusts_ca(url: str) -> bool:
        return bool(endpoint.ca and endpoint.rest and url.startswith("https:"))

    def npz(picture: np.ndarray, version: int | None, page: str) -> str:
        [inference] = network.infer(picture[None], (), version)
        layers = inference.description.layers
        if 4 * sum(math.prod(layer.shape) for layer in layers) > MAX_DOWNLOAD_BYTES:
            raise RequestError(
                f"the activations exceed {MAX_DOWNLOAD_BYTES // 2**20} MB: request single layers "
                "from the model server, with its signature `layer`"
            )
        arrays = {
            layer.name: network.activations(picture, layer, inference.version) for layer in layers
        }
        for name in ("scores", "probabilities"):
            if getattr(inference, name) is not None:
                arrays[name] = getattr(inference, name)
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return base64.b64encode(file.getvalue()).decode()

    def curl(picture: np.ndarray, version: int | None, page: str) -> str:
        body = f'{{"signature_name": "classify", "instances": [{{"b64": "{_as_png(picture)}"}}]}}'
        url = url_of(version, page)
        auth = "-u USER:PASSWORD " if endpoint.auth else ""
        ca = f"--cacert <(echo {shlex.quote(endpoint.ca)}) " if trusts_ca(url) else ""
        return f"curl -s {auth}{ca}-d '{body}' \\\n  {shlex.quote(url)}\n"

    def python(picture: np.ndarray, version: int | None, page: str) -> str:
        auth = (
            'user = base64.b64encode(b"USER:PASSWORD").decode()\n'
            'request.add_header("Authorization", f"Basic {user}")\n'
        )
        url = url_of(version, page)
        has_ca = trusts_ca(url)
        trusted = f'ca = """{endpoint.ca}"""\ncontext = ssl.create_default_context(cadata=ca)\n'
        return f"""\
import base64
import json
{"import ssl" + chr(10) if has_ca else ""}import urllib.request

png = "{_as_png(picture)}"
body = {{"signature_name": "classify", "instances": [{{"b64": png}}]}}
request = urllib.request.Request(
    {json.dumps(url)}, json.dumps(body).encode()
)
{auth if endpoint.auth else ""}{trusted if has_ca else ""}\
with urllib.request.urlopen(request, timeout=10{", context=context" if has_ca else ""}) as response:
    print(json.dumps(json.load(response)["predictions"][0]))
"""

    def grpc(picture: np.ndarray, version: int | None, page: str) -> str:
        set_version = "" if version is None else f"request.model_spec.version.value = {version}\n"
        secure = "secure" if client.tls else "insecure"
        trusted = f'b"""{endpoint.ca}"""' if endpoint.ca else ""
        credentials = f", grpc.ssl_channel_credentials({trusted})" if client.tls else ""
        return f"""\
import base64

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

png = base64.b64decode("{_as_png(picture)}")
request = predict_pb2.PredictRequest()
request.model_spec.name = "{client.model}"
request.model_spec.signature_name = "classify"
{set_version}request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([png]))

# The address that the page uses; from your machine it may be different.
channel = grpc.{secure}_channel("{client.target}"{credentials})
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
print(tf.make_ndarray(stub.Predict(request, timeout=5).outputs["classes"])[0])
"""

    return {download.__name__: download for download in (npz, curl, python, grpc)}


def _as_png(picture: np.ndarray) -> str:
    """Encodes a picture, a drawing as dark ink on white, as a PNG in base64."""
    pixels = 255 - picture[:, :, 0] if picture.shape[2] == 1 else picture
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
