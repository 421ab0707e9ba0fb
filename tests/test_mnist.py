"""Reading IDX files, and what is said when they are not what they should be."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from model.idx import read_idx
from model.mnist import MnistError, load_mnist

NAMES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")


def write_mnist(folder: Path, *arrays: np.ndarray, zipped: bool = False) -> None:
    for name, array in zip(NAMES, arrays):
        head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        data = head + array.astype(np.uint8).tobytes()
        suffix = ".gz" if zipped else ""
        (folder / f"{name}-ubyte{suffix}").write_bytes(gzip.compress(data) if zipped else data)


@pytest.fixture
def arrays() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    return tuple(rng.integers(0, 10, shape) for shape in ((7, 28, 28), 7, (3, 28, 28), 3))


@pytest.mark.parametrize("zipped", [False, True])
def test_reads_what_was_written(tmp_path, arrays, zipped):
    write_mnist(tmp_path, *arrays, zipped=zipped)
    for read, written in zip(load_mnist(tmp_path), arrays):
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, written)


def test_says_what_to_do_without_files(tmp_path):
    with pytest.raises(MnistError, match=r"train-images-idx3-ubyte\.gz.*--data DIR"):
        load_mnist(tmp_path)


def test_refuses_a_truncated_file(tmp_path, arrays):
    write_mnist(tmp_path, *arrays)
    path = tmp_path / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MnistError, match=r"t10k-labels-idx1-ubyte.*not a whole IDX file"):
        load_mnist(tmp_path)


WHOLE = struct.pack(">HBB3I", 0, 8, 3, 2, 4, 5) + bytes(range(40))
BROKEN = {
    "nothing": b"",
    "half a head": WHOLE[:9],
    "cut off": WHOLE[:-1],
    "too long": WHOLE + b"a",
    "of another type": WHOLE[:2] + b"\x0d" + WHOLE[3:],
    "of another rank": struct.pack(">HBBI", 0, 8, 1, 40) + bytes(40),
    "no such file": b"\x89PNG\r\n\x1a\n" + WHOLE,
    "larger than it is": struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 2**31),
}


def test_a_file_is_read_as_it_is_or_compressed(tmp_path):
    for name, data in (("digits", WHOLE), ("digits.gz", gzip.compress(WHOLE))):
        (tmp_path / name).write_bytes(data)
        read = read_idx(tmp_path / name, rank=3)
        np.testing.assert_array_equal(read, np.arange(40, dtype=np.uint8).reshape(2, 4, 5))


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_whole_idx_file_is_said(tmp_path, what):
    data = BROKEN[what]
    zipped = bytearray(gzip.compress(WHOLE))
    zipped[12] ^= 0xFF
    for name, content in {
        "digits": data,
        "digits.gz": gzip.compress(data),
        "plain.gz": data or b"a",
        "broken.gz": bytes(zipped),
        "half.gz": gzip.compress(WHOLE)[:20],
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} in .* not a whole IDX file .* of rank 3: "):
            read_idx(tmp_path / name, rank=3)


def test_refuses_images_that_do_not_match_their_labels(tmp_path, arrays):
    write_mnist(tmp_path, arrays[0], arrays[1][:-1], *arrays[2:])
    with pytest.raises(MnistError, match="one image for each of the labels"):
        load_mnist(tmp_path)


def test_says_what_to_do_without_a_connection(monkeypatch):
    def fail():
        raise Exception("URL fetch failure")

    monkeypatch.setattr("keras.datasets.mnist.load_data", fail)
    with pytest.raises(MnistError, match=r"downloading it failed.*--data DIR"):
        load_mnist()


def test_official_files(mnist):
    assert len(mnist.train_images) == 60_000
    assert np.bincount(mnist.test_labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
