"""TensorProto and back, against TensorFlow's own functions."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from serving.tensors import to_array, to_proto

DTYPES = "float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)])
def test_tensorflow_reads_what_we_write_and_we_read_what_it_writes(dtype, shape):
    array = (np.random.default_rng(5).random(shape) * 100).astype(dtype)
    np.testing.assert_array_equal(tf.make_ndarray(to_proto(array)), array)
    np.testing.assert_array_equal(to_array(tf.make_tensor_proto(array)), array)
    assert to_array(to_proto(array)).dtype == array.dtype


def test_bytes_and_text():
    array = np.array([[b"\x00\xff", b""], [b"abc", b"d"]], object)
    np.testing.assert_array_equal(tf.make_ndarray(to_proto(array)), array)
    np.testing.assert_array_equal(to_array(to_proto(array)), array)
    np.testing.assert_array_equal(to_array(to_proto(np.array(["ab", "ü"]))), [b"ab", "ü".encode()])


@pytest.mark.parametrize("values", [[], [7.5], [1.0, 2.0, 3.0]])
def test_a_short_list_of_values_is_filled_as_tensorflow_does(values):
    proto = TensorProto(dtype=1, float_val=values)
    for size in (2, 3):
        proto.tensor_shape.dim.add().size = size
    np.testing.assert_array_equal(to_array(proto), tf.make_ndarray(proto))


def test_a_transposed_array_is_written_in_order():
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
        TensorProto(dtype=8),
        TensorProto(),
    ],
)
def test_what_does_not_fit_together_is_refused(proto):
    with pytest.raises(ValueError):
        to_array(proto)


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(ValueError, match="dtype object"):
        to_proto(np.array([b"ab\x00"]))
    with pytest.raises(ValueError, match="complex64 cannot be sent"):
        to_proto(np.zeros(3, np.complex64))
