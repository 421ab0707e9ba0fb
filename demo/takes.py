"""Take it with you: a drawing's activations as a file, or the drawing as a request to paste."""

import base64
import io
import json
import shlex
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from demo.errors import RequestError
from demo.look import ask
from serving.client import Client


class Place(NamedTuple):
    """Where the model server answers whoever has the page."""

    rest: str | None = None  # a URL, empty for no REST at all; None is the page's own address
    auth: bool = False  # whether REST asks for a user and a password
    ca: str | None = None  # certificates in PEM to trust; the system's if None


Take = Callable[[np.ndarray, int | None, str], str]  # of drawing, version, the page's address


def make_takes(client: Client, place: Place) -> dict[str, Take]:
    """All that can be taken along, by name: `npz` in base64, and `curl`, `python`, `grpc`.

    The requests are texts that run when pasted. They send the drawing as a picture file to
    `classify`: curl prints JSON, as does Python over REST, which needs its standard library alone;
    gRPC, which needs tensorflow-serving-api, prints the digit.
    """

    def url_of(version: int | None, page: str) -> str:
        if place.rest == "":
            raise RequestError("the model server answers gRPC alone here: take that request")
        server = (place.rest or page).rstrip("/")
        of_version = "" if version is None else f"/versions/{version}"
        return f"{server}/v1/models/{client.model}{of_version}:predict"

    def trusts_ca(url: str) -> bool:
        return bool(place.ca and place.rest and url.startswith("https:"))

    def npz(drawing: np.ndarray, version: int | None, page: str) -> str:
        file = io.BytesIO()
        np.savez_compressed(file, **ask(client, drawing, version))
        return base64.b64encode(file.getvalue()).decode()

    def curl(drawing: np.ndarray, version: int | None, page: str) -> str:
        body = f'{{"signature_name": "classify", "instances": [{{"b64": "{_as_png(drawing)}"}}]}}'
        url = url_of(version, page)
        auth = "-u USER:PASSWORD " if place.auth else ""
        ca = f"--cacert <(echo {shlex.quote(place.ca)}) " if trusts_ca(url) else ""
        return f"curl -s {auth}{ca}-d '{body}' \\\n  {shlex.quote(url)}\n"

    def python(drawing: np.ndarray, version: int | None, page: str) -> str:
        auth = (
            'user = base64.b64encode(b"USER:PASSWORD").decode()\n'
            'request.add_header("Authorization", f"Basic {user}")\n'
        )
        url = url_of(version, page)
        has_ca = trusts_ca(url)
        trusted = f'ca = """{place.ca}"""\ncontext = ssl.create_default_context(cadata=ca)\n'
        return f"""\
import base64
import json
{"import ssl" + chr(10) if has_ca else ""}import urllib.request

png = "{_as_png(drawing)}"
body = {{"signature_name": "classify", "instances": [{{"b64": png}}]}}
request = urllib.request.Request(
    {json.dumps(url)}, json.dumps(body).encode()
)
{auth if place.auth else ""}{trusted if has_ca else ""}\
with urllib.request.urlopen(request, timeout=10{", context=context" if has_ca else ""}) as response:
    print(json.dumps(json.load(response)["predictions"][0]))
"""

    def grpc(drawing: np.ndarray, version: int | None, page: str) -> str:
        of_version = "" if version is None else f"request.model_spec.version.value = {version}\n"
        secure = "secure" if client.tls else "insecure"
        trusted = f'b"""{place.ca}"""' if place.ca else ""
        credentials = f", grpc.ssl_channel_credentials({trusted})" if client.tls else ""
        return f"""\
import base64

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

png = base64.b64decode("{_as_png(drawing)}")
request = predict_pb2.PredictRequest()
request.model_spec.name = "{client.model}"
request.model_spec.signature_name = "classify"
{of_version}request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([png]))

# The model server's address as the page knows it; from elsewhere it may have another.
channel = grpc.{secure}_channel("{client.target}"{credentials})
stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
print(tf.make_ndarray(stub.Predict(request, timeout=5).outputs["classes"])[0])
"""

    return {take.__name__: take for take in (npz, curl, python, grpc)}


def _as_png(drawing: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(255 - drawing).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
