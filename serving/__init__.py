"""Everything between a SavedModel and a caller: the client, and a server on this machine."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets every start with a page
