"""Everything between a SavedModel and a caller: the client, and a server on this machine."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets every start with a page
# Nothing here needs Keras. TensorFlow imports it with itself, unless told that another one is used;
# that would take as long as all the rest.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
