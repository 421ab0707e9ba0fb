"""TensorFlow Serving's REST API under `/v1/models/`: status, metadata and predict.

Paths are matched as in TensorFlow Serving's http_rest_api_handler.cc: the query string is part of
the path.

Source: TensorFlow Serving, "RESTful API".
"""

import re
from typing import Any, NoReturn

import grpc
import orjson
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.embedded.example_verbs import CLASSIFY, REGRESS, refuse_examples
from serving.embedded.grpc_api import find_signatures, status_response
from serving.embedded.json_tensors import (
    check_examples,
    is_row_form,
    read_columns,
    read_object,
    read_rows,
    read_signature_name,
    write_answer,
)
from serving.embedded.models import Models
from serving.embedded.servable import DEFAULT_SIGNATURE
from serving.embedded.status import StatusError, invalid_argument
from serving.http_body import read_body

MAX_VERSION = 2**63 - 1
MAX_DIGITS = len(str(MAX_VERSION))
MAX_BODY_BYTES = 32 * 2**20  # of JSON; its numbers take ten times as much as Python objects
_MODEL = (
    r"/v1/models(?:/(?P<name>[^/:]+))?"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
)
_STATUS = re.compile(_MODEL)
_METADATA = re.compile(_MODEL + "/metadata")
_PREDICT = re.compile(_MODEL + ":predict")
_EXAMPLES = re.compile(_MODEL + ":(?P<verb>classify|regress)")
_NOT_FOUND_PAGE = """<HTML><HEAD>
<TITLE>404 Not Found</TITLE>
</HEAD><BODY>
<H1>Not Found</H1>
</BODY></HTML>
"""
_HTTP_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


def make_rest_app(models: Models) -> Starlette:
    """Returns the API as an ASGI application."""

    async def respond(request: Request) -> Response:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = await read_body(request, MAX_BODY_BYTES)
        if body is None:
            return _json({"error": f"A request may have at most {MAX_BODY_BYTES:,} bytes"}, 413)
        try:
            return _json(await run_in_threadpool(_answer, models, request.method, path, body))
        except StatusError as error:
            return _json({"error": error.message}, _HTTP_CODES.get(error.code, 500))
        except RecursionError:
            return _json({"error": "JSON Parse error: lists and objects are nested too deep"}, 400)

    async def respond_not_found(request: Request) -> Response:
        return HTMLResponse(_NOT_FOUND_PAGE, 404)

    methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]
    return Starlette(
        routes=[
            Route("/v1/{path:path}", respond, methods=methods),
            Route("/{path:path}", respond_not_found, methods=methods),
        ]
    )


def _answer(models: Models, method: str, path: str, body: bytes) -> dict[str, Any]:
    if method == "POST" and (match := _PREDICT.fullmatch(path)):
        return _predict(models, _spec(match), body)
    if method == "POST" and (match := _EXAMPLES.fullmatch(path)):
        _refuse_examples(models, _spec(match), match["verb"], body)
    if method == "GET" and (match := _METADATA.fullmatch(path)):
        return _metadata(models, _spec(match))
    if method == "GET" and (match := _STATUS.fullmatch(path)):
        response = status_response(models, GetModelStatusRequest(model_spec=_spec(match)))
        return _as_dict(response)
    raise invalid_argument(f"Malformed request: {method} {path}")


def _predict(models: Models, spec: ModelSpec, body: bytes) -> dict[str, Any]:
    request = read_object(body)
    signature_name = read_signature_name(request)
    in_rows = is_row_form(request)
    _, servable = models.find(spec)
    signature = servable.signatures.get(signature_name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid_argument(
            f'Serving signature name: "{signature_name}" not found in signature def'
        )
    types = {name: info.dtype for name, info in signature.inputs.items()}
    inputs = (read_rows if in_rows else read_columns)(request, types)
    return write_answer(servable.run(signature_name, inputs), in_rows)


def _refuse_examples(models: Models, spec: ModelSpec, verb: str, body: bytes) -> NoReturn:
    request = read_object(body)
    check_examples(request, verb)
    spec.signature_name = read_signature_name(request)
    refuse_examples(models, spec, {"classify": CLASSIFY, "regress": REGRESS}[verb])


def _metadata(models: Models, spec: ModelSpec) -> dict[str, Any]:
    answered_by, signatures = find_signatures(models, spec)
    return {
        "model_spec": {
            "name": answered_by.name,
            "signature_name": "",
            "version": str(answered_by.version.value),
        },
        "metadata": {
            "signature_def": {
                "signature_def": {name: _signature(s) for name, s in signatures.items()}
            }
        },
    }


def _signature(signature: SignatureDef) -> dict[str, Any]:
    fields = _as_dict(SignatureDefMap(signature_def={"": signature}))["signature_def"][""]
    for info in (*fields["inputs"].values(), *fields["outputs"].values()):
        info.setdefault("tensor_shape", {"dim": [], "unknown_rank": False})
    return fields


def _as_dict(message) -> dict[str, Any]:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _spec(match: re.Match) -> ModelSpec:
    if not match["name"]:
        raise invalid_argument("Missing model name in request.")
    spec = ModelSpec(name=match["name"], version_label=match["label"] or "")
    if number := match["version"]:
        # int() rejects thousands of digits with a ValueError.
        if len(number) > MAX_DIGITS or int(number) > MAX_VERSION:
            raise invalid_argument(f"Failed to convert version: {number} to numeric.")
        spec.version.value = int(number)
    return spec


def _json(content: dict[str, Any], status: int = 200) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, media_type="application/json")
