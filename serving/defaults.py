"""Default names and ports of the servers, shared by the commands and the client."""

GRPC_PORT = 8500  # TensorFlow Serving's own defaults
REST_PORT = 8501
MODEL = "mnist"
REAL_SERVER = "tensorflow_model_server"  # the program that is looked up on the PATH
BASE_PATH = "exported/mnist"
