"""A small server with TensorFlow Serving's protocols, for machines without TensorFlow Serving.

It answers status, metadata and predict with versions, labels and TensorFlow Serving's errors, over
gRPC and REST. It has no batching and no metrics.
"""
