"""Broken and hostile picture files: truncated, with wrong sizes, decompression bombs."""

import base64
import io
import json
import struct
import zlib

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from serving.defaults import MODEL
from serving.tensors import to_proto
from tests.fuzz.http_requests import framed
from tests.fuzz.mutate import mutated
from tests.fuzz.request import Request
from tests.fuzz.tensors import PREDICT, PredictRequest

KIND, KIND_ON_PAGE = "pictures to the server", "pictures to the page"
SIDES = [0, 1, 27, 2048, 2049, 5000, 30_000, 65_535, 2**31 - 1, 2**31, 2**32 - 1]
ENDPOINTS = ["activations", "classify"]
NAMES = ["a.png", "a.jpg", "a.gif", "a.svg", "a.tiff", "a", ".png", "a.png/..", "ä" * 120 + ".bmp"]
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _encoded(kind: str, mode: str, size: tuple[int, int] = (40, 30), **options) -> bytes:
    file = io.BytesIO()
    Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 20).convert(mode).save(file, kind, **options)
    return file.getvalue()


def _frames(kind: str, count: int, **options) -> bytes:
    frames = [Image.new("P", (64, 64), number % 256) for number in range(count)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], **options)
    return file.getvalue()


def png(width: int, height: int, depth: int = 8, colour: int = 0, data: bytes = b"", extra=()):
    """Returns a PNG file with correct checksums; header and data need not match."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")]
    return _PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )


def bomb(side: int) -> bytes:
    """Returns a decompression bomb: a black 1-bit PNG, compressed to a thousandth of its size."""
    return png(side, side, 1, 0, (b"\0" + bytes((side + 7) // 8)) * side)


def many_scans(count: int) -> bytes:
    """Returns a progressive JPEG file whose last scan is repeated."""
    jpeg = _encoded("JPEG", "L", (640, 480), progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + jpeg[-2:]


def _with_size(file: bytes, offset: int, form: str, width: int, height: int) -> bytes:
    """Returns the file with another size in its header.

    Args:
        file: a picture file.
        offset: of the size in the file.
        form: `struct` format of one side: byte order and type.
        width: in pixels.
        height: in pixels.
    """
    limit = 2 ** (8 * struct.calcsize(form[-1])) - 1
    size = struct.pack(form[0] + form[1] * 2, *(min(side, limit) for side in (width, height)))
    return file[:offset] + size + file[offset + len(size) :]


MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "GIF": ["L", "P"],
    "BMP": ["1", "L", "P", "RGB", "RGBA"],
    "TIFF": ["L", "F", "CMYK"],
    "WEBP": ["RGBA"],
    "ICO": ["RGBA"],
    "PPM": ["L"],
    "TGA": ["RGB"],
    "PCX": ["L"],
}
VALID = [_encoded(kind, mode) for kind, modes in MODES.items() for mode in modes]
GIF, BMP = _encoded("GIF", "P"), _encoded("BMP", "RGB")
JPEG = _encoded("JPEG", "RGB")
_JPEG_SIZE = JPEG.index(b"\xff\xc0") + 5
HOSTILE = [
    *(bomb(side) for side in (2048, 2049, 5000)),
    *(_frames(kind, count) for kind in ("GIF", "PNG", "TIFF") for count in (2, 300)),
    *(many_scans(count) for count in (2, 40, 1000)),
    png(9, 9, 8, 3, b"\0" * 90),  # indexed colour without a palette
    png(9, 9, 8, 3, b"\0\xff" * 45, [(b"PLTE", b"abc" * 300)]),
    png(9, 9, 8, 0, b"\0" * 90, [(b"tRNS", b"\0" * 9)]),
    png(9, 9, 8, 0, b"\0" * 90, [(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**23)))] * 4),
    png(9, 9, 8, 0, b"\0" * 90, [(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**23)))]),
    png(9, 9, 8, 0, b"\0" * 90, [(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + b"\1\x12" * 40)]),
    png(9, 9, 8, 0, b"\0" * 2**22),  # more data than pixels
    png(9, 9, 7, 5),
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n/a 9 string def { a pop } loop\n",
    b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/hostname'/></svg>",
    *(magic + bytes(40) for magic in (b"\xff\xd8\xff", b"GIF89a", b"BM", _PNG_SIGNATURE, b"II*\0")),
]


@st.composite
def files(draw) -> bytes:
    match draw(
        st.sampled_from(["mutated", "mutated", "mutated", "size", "size", "hostile", "bytes"])
    ):
        case "mutated":
            return draw(mutated(draw(st.sampled_from(VALID))))
        case "size":
            sides = [draw(st.sampled_from(SIDES)) for _ in range(2)]
            depth, colour = draw(st.tuples(st.integers(0, 17), st.integers(0, 7)))
            return draw(
                st.sampled_from(
                    [
                        png(*sides, depth, colour, bytes(1000)),
                        png(*sides, 8, draw(st.sampled_from([0, 2, 4, 6])), bytes(1000)),
                        _with_size(GIF, 6, "<H", *sides),
                        _with_size(GIF, GIF.index(b",") + 5, "<H", *sides),  # of the frame
                        _with_size(BMP, 18, "<I", *sides),
                        _with_size(JPEG, _JPEG_SIZE, ">H", *sides),
                    ]
                )
            )
        case "hostile":
            return draw(st.sampled_from(HOSTILE))
        case _:
            return draw(st.binary(max_size=80))


@st.composite
def server_pictures(draw) -> Request:
    """Generates calls of `classify` over gRPC or REST."""
    pictures = draw(st.lists(files(), min_size=1, max_size=3))
    if draw(st.booleans()):
        return Request(KIND, "grpc", to_grpc(pictures), PREDICT)
    return Request(KIND, "rest", to_http(pictures))


def page_pictures() -> st.SearchStrategy[Request]:
    """Generates uploads to the page and calls of its endpoints with them."""
    targets = st.tuples(st.sampled_from(ENDPOINTS), st.sampled_from(NAMES)).map("/".join)
    return st.builds(
        lambda file, target: Request(KIND_ON_PAGE, "picture", file, target), files(), targets
    )


def to_grpc(pictures: list[bytes]) -> bytes:
    """Returns the message that classifies pictures."""
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, "classify"
    request.inputs["image_bytes"].CopyFrom(to_proto(np.array(pictures, object)))
    return request.SerializeToString()


def to_http(pictures: list[bytes]) -> bytes:
    """Returns the HTTP request that classifies pictures."""
    instances = [{"b64": base64.b64encode(file).decode()} for file in pictures]
    body = json.dumps({"signature_name": "classify", "instances": instances}).encode()
    return framed("POST", f"/v1/models/{MODEL}:predict", body)
