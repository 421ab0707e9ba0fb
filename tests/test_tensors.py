"""Conversion to and from TensorProto, compared with TensorFlow's own functions."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.framework.tensor_pb2 import TensorProto

from serving.tensors import to_array, to_proto

DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_protos_are_compatible_with_tensorflow(dtype, shape):
    array = (np.random.default_rng(5).random(shape) * 100).astype(dtype)
    np.testing.assert_array_equal(tf.make_ndarray(to_proto(array)), array)
    np.testing.assert_array_equal(to_array(tf.make_tensor_proto(array)), array)
    assert to_array(to_proto(array)).dtype == array.dtype


def test_bytes_and_strings_are_converted():
    array = np.array([[b"\x00\xff", b""], [b"abc", b"d"]], object)
    np.testing.assert_array_equal(tf.make_ndarray(to_proto(array)), array)
    np.testing.assert_array_equal(to_array(to_proto(array)), array)
    np.testing.assert_array_equal(to_array(to_proto(np.array(["ab", "ü"]))), [b"ab", "ü".encode()])


@pytest.mark.parametrize("values", [[], [7.5]])
def test_one_value_or_no_value_fills_a_tensor_as_in_tensorflow(values):
    proto = TensorProto(dtype=1, float_val=values)
    for size in (2, 3):
        proto.tensor_shape.dim.add().size = size
    np.testing.assert_array_equal(to_array(proto), tf.make_ndarray(proto))


@pytest.mark.parametrize("values", [[0x3E00], [0x3E00, 0x8001, 0x7C00]])
def test_half_values_are_read_from_their_bits(values):
    proto = TensorProto(dtype=types_pb2.DT_HALF, half_val=values)
    proto.tensor_shape.dim.add().size = len(values)
    np.testing.assert_array_equal(to_array(proto), tf.make_ndarray(proto))
    assert to_array(proto)[0] == 1.5


@pytest.mark.parametrize("values", [[300], [-1], [1, 2, 300, -1]])
@pytest.mark.parametrize("dtype", [tf.uint8, tf.int8, tf.uint16, tf.int16])
def test_value_out_of_range_wraps_around_as_in_tensorflow(dtype, values):
    proto = TensorProto(dtype=dtype.as_datatype_enum, int_val=values)
    proto.tensor_shape.dim.add().size = 4
    expected = np.resize(np.array(values), 4).astype(dtype.as_numpy_dtype)
    np.testing.assert_array_equal(to_array(proto), expected)


def test_transposed_array_is_written_in_row_major_order():
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(to_array(to_proto(array)), array)


@pytest.mark.parametrize(
    "proto",
    [
        TensorProto(dtype=1, tensor_content=b"123"),
        TensorProto(dtype=1, float_val=[1, 2], tensor_shape={"dim": [{"size": 1}]}),
        TensorProto(dtype=1, tensor_shape={"dim": [{"size": -1}]}),
        TensorProto(dtype=1, tensor_shape={"unknown_rank": True}),
        TensorProto(dtype=1, tensor_shape={"dim": [{"size": 10**5}] * 3}),
        TensorProto(dtype=1, float_val=[1, 2, 3], tensor_shape={"dim": [{"size": 6}]}),
        TensorProto(dtype=4, tensor_shape={"dim": [{"size": 2**24 + 1}]}),
        TensorProto(dtype=1, float_val=[1], tensor_shape={"dim": [{"size": 2**22 + 1}]}),
        TensorProto(dtype=7, tensor_shape={"dim": [{"size": 1025}]}),
        TensorProto(dtype=7, tensor_shape={"dim": [{"size": 3}, {"size": 27}, {"size": 2**20}]}),
        TensorProto(dtype=1, tensor_shape={"dim": [{"size": 0}, {"size": 2**62}, {"size": 2**62}]}),
        TensorProto(dtype=8),
        TensorProto(),
    ],
)
def test_inconsistent_proto_is_rejected(proto):
    with pytest.raises(ValueError):
        to_array(proto)


def test_rejected_proto_allocates_no_memory():
    """17 bytes that claim half a gigabyte."""
    proto = TensorProto(dtype=4, tensor_shape={"dim": [{"size": 2**29}]})
    tracemalloc.start()
    with pytest.raises(ValueError, match="one value may fill at most 16777216 elements"):
        to_array(proto)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_unsupported_dtype_is_rejected():
    with pytest.raises(ValueError, match="dtype object"):
        to_proto(np.array([b"ab\x00"]))
    with pytest.raises(ValueError, match="complex64 cannot be sent"):
        to_proto(np.zeros(3, np.complex64))
