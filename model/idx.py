"""IDX files, in which MNIST and its likes come: arrays of unsigned bytes behind a short header.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

UBYTE = 0x08


def read_idx(path: Path, rank: int) -> np.ndarray:
    """The array in a file, which may be compressed with gzip: uint8 of `rank` dimensions.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, or not a whole one.
    """
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        zeros, kind, dims = struct.unpack(">HBB", data[:4])
        shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
        if (zeros, kind, dims) != (0, UBYTE, rank):
            raise ValueError("its first four bytes are not those of such a file")
        return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        raise ValueError(
            f"{path.name} in {path.parent} is not a whole IDX file of unsigned bytes of rank "
            f"{rank}: {error}."
        ) from error
