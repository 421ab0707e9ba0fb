"""Mutations of valid bytes and of valid JSON."""

from hypothesis import strategies as st

MAX_MUTATIONS = 4


@st.composite
def mutated(draw, valid: bytes) -> bytes:
    """Generates bytes with a few truncations, replacements, repetitions, deletions, insertions."""
    data = valid
    for _ in range(draw(st.integers(1, MAX_MUTATIONS))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        match draw(st.sampled_from(["truncate", "replace", "flip", "repeat", "delete", "insert"])):
            case "truncate":
                data = data[:start]
            case "replace":
                data = data[:start] + draw(st.binary(min_size=1, max_size=8)) + data[start + 8 :]
            case "flip":
                bit = 1 << draw(st.integers(0, 7))
                flipped = bytes(byte ^ bit for byte in data[start : start + 1])
                data = data[:start] + flipped + data[start + 1 :]
            case "repeat":
                data = data[:end] + data[start : min(end, start + 4096)] + data[end:]
            case "delete":
                data = data[:start] + data[end:]
            case "insert":
                data = data[:start] + draw(st.binary(max_size=64)) + data[start:]
    return data


@st.composite
def mutated_json(draw, valid: object, others: st.SearchStrategy) -> object:
    """Generates JSON values in which parts are replaced, deleted or added.

    Args:
        valid: the JSON value.
        others: strategy of the replacements.
    """
    value = valid
    for _ in range(draw(st.integers(1, 2))):
        value = _mutate(draw, value, others)
    return value


def _mutate(draw, value: object, others: st.SearchStrategy) -> object:
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 5)) == 0:
        return draw(others)
    mutation = value.copy()
    key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
    match draw(st.sampled_from(["within", "within", "within", "delete", "add"])):
        case "within":
            mutation[key] = _mutate(draw, value[key], others)
        case "delete":
            del mutation[key]
        case "add" if isinstance(mutation, dict):
            mutation[draw(st.text(max_size=8))] = draw(others)
        case "add":
            mutation.insert(key, draw(others))
    return mutation
