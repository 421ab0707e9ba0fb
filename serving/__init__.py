"""Everything between a SavedModel and a caller: client, local server, production configuration."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or TensorFlow logs a page at every start
# Serving does not need Keras. Without this variable TensorFlow imports it, which doubles the time
# of the import.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
