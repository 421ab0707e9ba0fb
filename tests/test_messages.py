"""Messages can be imported without TensorFlow, before it and after it."""

import subprocess
import sys

import pytest

from tests.pages import ROOT

PAGE = "import demo.__main__, sys; assert 'tensorflow' not in sys.modules"
SAME_MESSAGES = """
from serving.messages import TensorProto, types_pb2
assert isinstance(tf.make_tensor_proto([1.0]), TensorProto)
assert tf.float32.as_datatype_enum == types_pb2.DT_FLOAT
"""


@pytest.mark.parametrize(
    "code",
    [
        PAGE,
        f"{PAGE}\nimport tensorflow as tf{SAME_MESSAGES}",
        f"import tensorflow as tf{SAME_MESSAGES}",
    ],
    ids=["the page", "before TensorFlow", "after TensorFlow"],
)
def test_messages_do_not_import_tensorflow(code):
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
