"""Converts between numpy arrays and TensorProto, without TensorFlow's slow `make_tensor_proto`.

A TensorProto has raw bytes (`tensor_content`) or a list of values (`float_val`, `int_val`, …). Both
are read; raw bytes are written. TensorFlow accepts a list shorter than its tensor, so a few bytes
can describe gigabytes. Here, a shorter list may only have one value, which fills the tensor, or
none, which means zeros, and the tensor's size is limited.

Source: tensorflow/core/framework/tensor.proto.
"""

import math
from collections.abc import Sequence

import numpy as np

from serving.messages import TensorProto, types_pb2

# Largest tensor filled with one value: the most drawings and files that model/guards.py accepts.
MAX_FILLED_BYTES = 2**24
MAX_FILLED_STRINGS = 1024
_STRING = types_pb2.DT_STRING
_DTYPES = {  # dtype and the field with its values
    types_pb2.DT_HALF: (np.dtype(np.float16), "half_val"),
    types_pb2.DT_FLOAT: (np.dtype(np.float32), "float_val"),
    types_pb2.DT_DOUBLE: (np.dtype(np.float64), "double_val"),
    types_pb2.DT_INT8: (np.dtype(np.int8), "int_val"),
    types_pb2.DT_INT16: (np.dtype(np.int16), "int_val"),
    types_pb2.DT_INT32: (np.dtype(np.int32), "int_val"),
    types_pb2.DT_INT64: (np.dtype(np.int64), "int64_val"),
    types_pb2.DT_UINT8: (np.dtype(np.uint8), "int_val"),
    types_pb2.DT_UINT16: (np.dtype(np.uint16), "int_val"),
    types_pb2.DT_UINT32: (np.dtype(np.uint32), "uint32_val"),
    types_pb2.DT_UINT64: (np.dtype(np.uint64), "uint64_val"),
    types_pb2.DT_BOOL: (np.dtype(np.bool_), "bool_val"),
    _STRING: (np.dtype(object), "string_val"),
}
_ZERO = {_STRING: b""}
_ENUMS = {dtype: enum for enum, (dtype, _) in _DTYPES.items()}


def enum_of(array: np.ndarray) -> int:
    """Returns the `DataType` of an array.

    Raises:
        ValueError: the dtype is not supported.
    """
    if array.dtype.kind == "S":
        raise ValueError("put bytes in an array of dtype object; dtype S loses trailing zero bytes")
    dtype = np.dtype(object) if array.dtype.kind == "U" else array.dtype
    if dtype not in _ENUMS:
        raise ValueError(f"an array of {array.dtype} cannot be sent; send numbers or bytes")
    return _ENUMS[dtype]


def dtype_of(enum: int) -> np.dtype:
    """Returns the numpy dtype of a `DataType`; object for bytes."""
    return _DTYPES[enum][0]


def to_proto(array: np.ndarray) -> TensorProto:
    """Converts an array of numbers, bytes objects or strings to a TensorProto.

    Raises:
        ValueError: the array's dtype is not supported.
    """
    proto = TensorProto(dtype=enum_of(array))
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if proto.dtype == _STRING:
        proto.string_val.extend(_as_bytes(value) for value in array.ravel())
    else:
        proto.tensor_content = array.tobytes()
    return proto


def to_array(proto: TensorProto) -> np.ndarray:
    """Converts a TensorProto to an array, which may be a read-only view of the proto's bytes.

    Raises:
        ValueError: dtype, shape and content do not match, or a short list of values would fill
            more than the limit.
    """
    if proto.dtype not in _DTYPES:
        raise ValueError(
            f"a tensor of type {types_pb2.DataType.Name(proto.dtype)} is not supported"
        )
    dtype, field = _DTYPES[proto.dtype]
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise ValueError("the shape of a tensor must be known")
    if proto.tensor_content and proto.dtype != _STRING:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values, size = getattr(proto, field), math.prod(shape)
    if len(values) == size:
        return _as_dtype(values, dtype).reshape(shape)
    if len(values) > 1:
        raise ValueError(f"{len(values)} values do not fill the shape {shape}")
    limit = MAX_FILLED_STRINGS if proto.dtype == _STRING else MAX_FILLED_BYTES // dtype.itemsize
    if size > limit:
        raise ValueError(f"one value may fill at most {limit} elements, not the shape {shape}")
    value = _as_dtype(values, dtype)[0] if values else _ZERO.get(proto.dtype, 0)
    return np.full(shape, value, dtype)


def _as_dtype(values: Sequence, dtype: np.dtype) -> np.ndarray:
    if dtype == np.float16:
        return np.array(values, np.int32).astype(np.uint16).view(dtype)  # half_val has the bits
    if dtype.kind in "iu" and dtype.itemsize < 4:
        # `int_val` has them as int32; values out of range wrap around, as in TensorFlow.
        return np.array(values, np.int32).astype(dtype)
    return np.array(values, dtype)


def _as_bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
