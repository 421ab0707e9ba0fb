"""JSON that is odd: values of any shape and depth, and texts that only look like JSON."""

import json

from hypothesis import strategies as st

from tests.fuzz.mangle import mangled, with_part_exchanged

DEPTHS = [100, 253, 257, 1000, 20_000, 300_000]
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([-(2**63), -1, 0, 2**31, 2**63, 2**64, 10**400, -0.0, 1e308, 5e-324]),
    st.sampled_from([float("nan"), float("inf"), "", "mnist", "\ud800", "\0", "a" * 3000, "AAAA"]),
    st.sampled_from([{"b64": "!"}, {"b64": "AA=A"}, {"b64": None}, {"b64": "QQ==", "x": 1}, [[]]]),
    st.recursive(
        st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=12,
    ),
)
NO_JSON = [
    b"",
    b" \n",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"instances": [1e999999]}',
    b'{"instances": [' + b"9" * 100_000 + b"]}",
    b'{"instances": [0x10]}',
    b'{"instances": "\xed\xa0\x80"}',
    b'{"instances": "\\ud800", "instances": [[1]]}',
    b'{"instances": [[1]], "instances": [[1]]}',
    b'"' + b"\\" * 100_001,
]


@st.composite
def json_bodies(draw, rights: list[dict]) -> bytes:
    """Bodies that are nearly one of the right ones, deep, or no JSON."""
    right = draw(st.sampled_from(rights))
    match draw(st.sampled_from(["part", "part", "part", "part", "mangled", "deep", "none"])):
        case "part":
            return json.dumps(draw(with_part_exchanged(right, ODD_VALUES))).encode()
        case "mangled":
            return draw(mangled(json.dumps(right).encode()))
        case "deep":
            return draw(_deep(right))
        case _:
            return draw(st.sampled_from(NO_JSON))


@st.composite
def _deep(draw, right: dict) -> bytes:
    """Lists or objects in each other, in place of a value of the right body or alone."""
    depth = draw(st.sampled_from(DEPTHS))
    opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"b64":', b"}]")]))
    end = draw(st.sampled_from([b"", b"0" + closing * depth, closing * depth]))
    deep = opening * depth + end
    if not right or draw(st.booleans()):
        return deep
    key = draw(st.sampled_from(sorted(right)))
    others = {name: value for name, value in right.items() if name != key}
    start = json.dumps(others).encode()[:-1] + (b", " if others else b"")
    return start + json.dumps(key).encode() + b": " + deep + b"}"
