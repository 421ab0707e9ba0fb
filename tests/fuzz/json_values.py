"""Unusual JSON: unexpected values, deep nesting, and texts that are almost JSON."""

import json

from hypothesis import strategies as st

from tests.fuzz.mutate import mutated, mutated_json

DEPTHS = [100, 253, 257, 1000, 20_000, 300_000]
UNUSUAL_VALUES = st.one_of(
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
INVALID_JSON = [
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
def json_bodies(draw, valid_bodies: list[dict]) -> bytes:
    """Generates mutations of a valid body, deeply nested bodies, and invalid JSON."""
    valid = draw(st.sampled_from(valid_bodies))
    match draw(st.sampled_from(["value", "value", "value", "value", "bytes", "nested", "invalid"])):
        case "value":
            return json.dumps(draw(mutated_json(valid, UNUSUAL_VALUES))).encode()
        case "bytes":
            return draw(mutated(json.dumps(valid).encode()))
        case "nested":
            return draw(_nested(valid))
        case _:
            return draw(st.sampled_from(INVALID_JSON))


@st.composite
def _nested(draw, valid: dict) -> bytes:
    """Generates deeply nested lists or objects, alone or instead of a value of a valid body."""
    depth = draw(st.sampled_from(DEPTHS))
    opening, closing = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"b64":', b"}]")]))
    end = draw(st.sampled_from([b"", b"0" + closing * depth, closing * depth]))
    nested = opening * depth + end
    if not valid or draw(st.booleans()):
        return nested
    key = draw(st.sampled_from(sorted(valid)))
    others = {name: value for name, value in valid.items() if name != key}
    start = json.dumps(others).encode()[:-1] + (b", " if others else b"")
    return start + json.dumps(key).encode() + b": " + nested + b"}"
