"""A small server that speaks TensorFlow Serving's protocols, for where there is no real one.

It exists so that one command works on any machine: versions, labels, status, metadata, predict and
the right errors, over gRPC and REST. Batching, hot reload of the configuration and metrics are
TensorFlow Serving's.
"""
