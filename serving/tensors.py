"""numpy arrays <-> TensorProto, without TensorFlow's slow `make_tensor_proto`.

A tensor travels either as raw bytes (`tensor_content`) or as a list of values (`float_val` and
its like, where fewer values than elements mean that the last one repeats, and none mean zeros).
Both are read, the first is written.

Source: tensorflow/core/framework/tensor.proto.
"""

import math

import numpy as np
from tensorflow.core.framework import tensor_pb2, types_pb2

MOST_ELEMENTS = 2**28  # that a few listed values may stand for
_STRING = types_pb2.DT_STRING
_DTYPES = {  # dtype, and the field that lists its values
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
_ENUMS = {dtype: enum for enum, (dtype, _) in _DTYPES.items()}


def enum_of(array: np.ndarray) -> int:
    """The `DataType` of an array.

    Raises:
        ValueError: TensorProto has no such dtype here.
    """
    if array.dtype.kind == "S":
        raise ValueError("bytes go in an array of dtype object; numpy cuts zeros off dtype S")
    kind = np.dtype(object) if array.dtype.kind == "U" else array.dtype
    if kind not in _ENUMS:
        raise ValueError(f"an array of {array.dtype} cannot be sent; send one of numbers or bytes")
    return _ENUMS[kind]


def dtype_of(enum: int) -> np.dtype:
    """The numpy dtype of a `DataType`; that of bytes is object."""
    return _DTYPES[enum][0]


def to_proto(array: np.ndarray) -> tensor_pb2.TensorProto:
    """Writes an array of numbers, or of bytes objects, as a TensorProto.

    Raises:
        ValueError: the array's dtype has no place in a TensorProto.
    """
    proto = tensor_pb2.TensorProto(dtype=enum_of(array))
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if proto.dtype == _STRING:
        proto.string_val.extend(_as_bytes(value) for value in array.ravel())
    else:
        proto.tensor_content = array.tobytes()
    return proto


def to_array(proto: tensor_pb2.TensorProto) -> np.ndarray:
    """Reads a TensorProto; the array may be a read-only view of its bytes.

    Raises:
        ValueError: dtype, shape and content do not fit together.
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
    values = np.array(getattr(proto, field), dtype)
    if math.prod(shape) > MOST_ELEMENTS:
        raise ValueError(f"a tensor of the shape {shape} is more than can be held")
    missing = math.prod(shape) - values.size
    if missing < 0:
        raise ValueError(f"{values.size} values are too many for the shape {shape}")
    if values.size == 0:
        return np.full(shape, b"", object) if proto.dtype == _STRING else np.zeros(shape, dtype)
    return (np.pad(values, (0, missing), "edge") if missing else values).reshape(shape)


def _as_bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else value
