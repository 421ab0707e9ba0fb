"""The network: architecture, preprocessing, training, and the signatures that it serves."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # else TensorFlow logs a page at each start
