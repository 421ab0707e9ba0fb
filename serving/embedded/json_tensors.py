"""Converts between the JSON of TensorFlow Serving's REST predict API and named arrays.

A request has `instances` (row format: one item per row) or `inputs` (column format: whole tensors).
Tensors are nested lists; bytes are `{"b64": …}`. The answer has the request's format: `predictions`
for rows, `outputs` for columns.

Sources: TensorFlow Serving, "RESTful API"; json_tensor.cc.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import orjson
from tensorflow.core.framework import types_pb2

from serving.embedded.servable import type_name
from serving.embedded.status import StatusError, invalid_argument
from serving.tensors import dtype_of

Arrays = dict[str, np.ndarray]
BYTES_SUFFIX = "_bytes"
MAX_ECHO_LENGTH = 100_000  # characters of an invalid request quoted in its error
_TYPES = {dict: "Object", list: "Array", str: "String", type(None): "Null"}


def read_object(body: bytes) -> dict[str, Any]:
    """Reads the JSON object of a request.

    Raises:
        StatusError: the body is not a JSON object.
    """
    if not body.strip():
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        request = json.loads(body.decode())
        if b"\\u" in body:  # maybe half a surrogate pair, which no answer could quote
            json.dumps(request, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        message = error.msg.replace("Expecting value", "Invalid value.")
        raise invalid_argument(f"JSON Parse error: {message} at offset: {error.pos}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, or nested too deep
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(request, dict):
        raise _format_error(request, "Is not object")
    return request


def read_signature_name(request: Mapping[str, Any]) -> str:
    """Returns the request's signature name, empty for the default signature.

    Raises:
        StatusError: the name is not a string.
    """
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise _format_error(
            request, "not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def check_examples(request: Mapping[str, Any], verb: str) -> None:
    """Checks that a `classify` or `regress` request has examples.

    Raises:
        StatusError: it has none.
    """
    if "examples" not in request:
        raise _format_error(
            request, f"When method is {verb}, key 'examples' is expected and was not found"
        )


def is_row_form(request: Mapping[str, Any]) -> bool:
    """Returns whether the request is in row format (`instances`) rather than column format.

    Raises:
        StatusError: it has both keys or neither.
    """
    if ("instances" in request) == ("inputs" in request):
        raise _format_error(
            request,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    return "instances" in request


def read_rows(request: Mapping[str, Any], types: Mapping[str, int]) -> Arrays:
    """Reads the inputs of a request in row format.

    Args:
        request: the request's JSON object, with the key `instances`.
        types: the `DataType` of each input of the signature.

    Raises:
        StatusError: the rows do not match the inputs or each other.
    """
    rows = request["instances"]
    if not isinstance(rows, list):
        raise _format_error(request, "Expecting 'instances' to be an list/array")
    if not rows:
        raise _format_error(request, "No values in 'instances' array")
    if not _is_named(rows[0]):
        if len(types) != 1:
            raise invalid_argument(
                "instances is a plain list, but expecting list/array of objects as multiple "
                f"input tensors required as per tensorinfo_map: {sorted(types)}"
            )
        [name] = types
        if (array := _read_numbers(rows, types[name])) is not None:
            return {name: array}
        tensors = [_row(row, index, "", types[name]) for index, row in enumerate(rows)]
        return {name: _stack(tensors, "")}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in types}
    for index, row in enumerate(rows):
        if not _is_named(row):
            kind = "list" if isinstance(row, list) else "value"
            raise invalid_argument(f"Expecting object but got {kind} at item {index} of input list")
        for name, value in row.items():
            if name not in types:
                raise _row_error(index, name, f"JSON object: does not have named input: {name}")
            columns[name].append(_row(value, index, name, types[name]))
        if missing := [name for name, tensors in columns.items() if len(tensors) <= index]:
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. "
                f"Error: INVALID_ARGUMENT: JSON object: is missing named input: {missing[0]}"
            )
    return {name: _stack(tensors, name) for name, tensors in columns.items()}


def read_columns(request: Mapping[str, Any], types: Mapping[str, int]) -> Arrays:
    """Reads the inputs of a request in column format; arguments and errors as in `read_rows`."""
    inputs = request["inputs"]
    if not _is_named(inputs):
        if len(types) != 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple "
                f"input tensors required as per tensorinfo_map: {sorted(types)}"
            )
        [name] = types
        inputs = {name: inputs}
    for name in types:
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _read_tensor(inputs[name], types[name]) for name in types}


def write_answer(outputs: Arrays, in_rows: bool) -> dict[str, Any]:
    """Returns the answer's JSON object; numbers stay arrays, which orjson serialises.

    Raises:
        StatusError: the answer is in rows, but the outputs differ in batch size.
    """
    if not in_rows:
        return {"outputs": _unwrap_single(outputs)}
    sizes = {len(array) if array.ndim else 0 for array in outputs.values()}
    if len(sizes) != 1:
        raise invalid_argument(
            "The outputs differ in batch size; send 'inputs' instead of 'instances'."
        )
    [count] = sizes
    return {
        "predictions": [
            _unwrap_single({name: array[i, ...] for name, array in outputs.items()})
            for i in range(count)
        ]
    }


def _unwrap_single(arrays: Arrays) -> Any:
    values = {name: _printable(name, array) for name, array in arrays.items()}
    return next(iter(values.values())) if len(values) == 1 else values


def _printable(name: str, array: np.ndarray) -> Any:
    """Converts one output as json_tensor.cc does.

    NaN and Infinity are written bare, which is not valid JSON. Strings are written as text, or as
    `{"b64": …}` if the output's name ends with `_bytes`.
    """
    if array.dtype.kind == "O":
        return _write_strings(array.tolist(), in_base64=name.endswith(BYTES_SUFFIX))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return orjson.Fragment(json.dumps(array.tolist()))
    return array if array.ndim else array[()]


def _write_strings(value: bytes | list, in_base64: bool) -> Any:
    if isinstance(value, list):
        return [_write_strings(item, in_base64) for item in value]
    if in_base64:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace")


def _row(value: Any, index: int, name: str, enum: int) -> np.ndarray:
    try:
        return _read_tensor(value, enum)
    except StatusError as error:
        raise _row_error(index, name, error.message) from error


def _stack(tensors: list[np.ndarray], name: str) -> np.ndarray:
    first = tensors[0]
    for index, tensor in enumerate(tensors):
        if tensor.size != first.size:
            raise _row_error(
                index, name, f"Expecting tensor size: {first.size} but got: {tensor.size}"
            )
        if tensor.shape != first.shape:
            raise _row_error(
                index,
                name,
                f"Expecting tensor shape: {_shape(first.shape)} but got: {_shape(tensor.shape)}",
            )
    return np.stack(tensors)


def _read_tensor(value: Any, enum: int) -> np.ndarray:
    if (array := _read_numbers(value, enum)) is not None:
        return array
    shape = _shape_of(value)
    leaves = list(_leaves(value, 0, shape, enum))
    dtype = dtype_of(enum)
    # Via int64, so that numbers out of range wrap around, as in TensorFlow Serving.
    wide = np.int64 if dtype.kind in "iu" and dtype.itemsize < 8 else dtype
    try:
        return np.array(leaves, wide).astype(dtype).reshape(shape)
    except (OverflowError, ValueError) as error:  # a number too large, or lists nested too deep
        raise invalid_argument(
            f"Cannot read a tensor of type {type_name(enum)}: {error}"
        ) from error


def _read_numbers(value: Any, enum: int) -> np.ndarray | None:
    """Reads nested lists of numbers with numpy; None if they hold anything else.

    The slow path through `_leaves` then finds the error.
    """
    dtype = dtype_of(enum)
    if dtype.kind not in "iuf" or not isinstance(value, list):
        return None
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        return None
    if array.dtype.kind not in ("if" if dtype.kind == "f" else "i"):
        return None
    for _ in range(array.ndim - 1):
        value = chain.from_iterable(value)
    if bool in set(map(type, value)):  # numpy converts booleans to numbers
        return None
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def _shape_of(value: Any) -> list[int]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _leaves(value: Any, level: int, shape: list[int], enum: int) -> Iterator[Any]:
    if not isinstance(value, list):
        if level != len(shape):
            raise _format_error(
                value,
                f"found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}",
            )
        yield _read_leaf(value, enum)
        return
    if level >= len(shape):
        raise invalid_argument(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for item in value:
        yield from _leaves(item, level + 1, shape, enum)


def _read_leaf(value: Any, enum: int) -> Any:
    if enum == types_pb2.DT_STRING:
        if _is_b64(value):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, ValueError) as error:
                raise invalid_argument("Unable to base64 decode") from error
        if isinstance(value, dict):
            raise _format_error(value, "not formatted correctly for base64 data")
        if isinstance(value, str):
            return value.encode()
    elif enum == types_pb2.DT_BOOL:
        if isinstance(value, bool):
            return value
    elif not isinstance(value, bool) and isinstance(
        value, (int, float) if dtype_of(enum).kind == "f" else int
    ):
        return value
    raise _format_error(
        value, f"Type: {_type_of(value)} is not of expected type: {type_name(enum)}"
    )


def _is_b64(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_b64(value)


def _type_of(value: Any) -> str:
    return str(value) if isinstance(value, bool) else _TYPES.get(type(value), "Number")


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _row_error(index: int, name: str, message: str) -> StatusError:
    key = f" key: {name}" if name else ""
    return invalid_argument(
        f"Failed to process element: {index}{key} of 'instances' list. "
        f"Error: INVALID_ARGUMENT: {message}"
    )


def _format_error(value: Any, message: str) -> StatusError:
    text = json.dumps(value, indent=4)
    if len(text) > MAX_ECHO_LENGTH:
        text = text[:MAX_ECHO_LENGTH] + " …"
    return invalid_argument(f"JSON Value: {text} {message}")
