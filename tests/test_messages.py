"""Messages without TensorFlow, which may come before or after them."""

import subprocess
import sys

import pytest

from tests.pages import ROOT

ALONE = "import demo.__main__, sys; assert 'tensorflow' not in sys.modules"
ARE_THE_SAME = """
from serving.messages import TensorProto, types_pb2
assert isinstance(tf.make_tensor_proto([1.0]), TensorProto)
assert tf.float32.as_datatype_enum == types_pb2.DT_FLOAT
"""


@pytest.mark.parametrize(
    "code",
    [
        ALONE,
        f"{ALONE}\nimport tensorflow as tf{ARE_THE_SAME}",
        f"import tensorflow as tf{ARE_THE_SAME}",
    ],
    ids=["the page", "TensorFlow after them", "TensorFlow before them"],
)
def test_messages_without_tensorflow(code):
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
