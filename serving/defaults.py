"""TensorFlow Serving's program and default ports, and what is served under which name."""

GRPC_PORT = 8500
REST_PORT = 8501
MODEL = "mnist"
REAL_SERVER = "tensorflow_model_server"
BASE_PATH = "exported/mnist"
