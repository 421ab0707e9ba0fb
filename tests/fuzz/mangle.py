"""Damage: bytes that are nearly right, and JSON of which a part is exchanged."""

from hypothesis import strategies as st

MAX_TURNS = 4


@st.composite
def mangled(draw, right: bytes) -> bytes:
    """Cut off, with bytes exchanged, doubled, left out or put in, a few times over."""
    data = right
    for _ in range(draw(st.integers(1, MAX_TURNS))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        match draw(st.sampled_from(["cut", "exchange", "flip", "double", "leave out", "put in"])):
            case "cut":
                data = data[:start]
            case "exchange":
                data = data[:start] + draw(st.binary(min_size=1, max_size=8)) + data[start + 8 :]
            case "flip":
                bit = 1 << draw(st.integers(0, 7))
                data = (
                    data[:start]
                    + bytes(byte ^ bit for byte in data[start : start + 1])
                    + (data[start + 1 :])
                )
            case "double":
                data = data[:end] + data[start : min(end, start + 4096)] + data[end:]
            case "leave out":
                data = data[:start] + data[end:]
            case "put in":
                data = data[:start] + draw(st.binary(max_size=64)) + data[start:]
    return data


@st.composite
def with_part_exchanged(draw, right: object, others: st.SearchStrategy) -> object:
    """The JSON value with something in it exchanged, left out or added."""
    changed = right
    for _ in range(draw(st.integers(1, 2))):
        changed = _exchange(draw, changed, others)
    return changed


def _exchange(draw, value: object, others: st.SearchStrategy) -> object:
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 5)) == 0:
        return draw(others)
    changed = value.copy()
    key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    match draw(st.sampled_from(["within", "within", "within", "leave out", "add"])):
        case "within":
            changed[key] = _exchange(draw, value[key], others)
        case "leave out":
            del changed[key]
        case "add" if isinstance(changed, dict):
            changed[draw(st.text(max_size=8))] = draw(others)
        case "add":
            changed.insert(key, draw(others))
    return changed
