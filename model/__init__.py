"""The network: what it is, what it eats, how it learns, what it serves."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets every start with a page
