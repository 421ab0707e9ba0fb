"""TensorFlow Serving's own default ports and the name that the model is served under."""

GRPC_PORT = 8500
REST_PORT = 8501
MODEL = "mnist"
BASE_PATH = "exported/mnist"
