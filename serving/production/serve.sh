#!/bin/bash
# Starts TensorFlow Serving with this project's settings. Flags given to this script override them.
# The comments follow the source of 2.20.0 (main.cc, server.cc, http_server.cc).
set -euo pipefail

flags=(
  --port=8500
  --rest_api_port=8501

  --model_config_file=/config/models.config
  # To move labels, edit that file. In Compose and Kubernetes it is part of the image: mount another
  # one over it, or send a HandleReloadConfigRequest (ModelService).
  --model_config_file_poll_wait_seconds=10
  # Without it, a label for a version that is still loading stops the server. With your own weights,
  # `stable` names no version, and the versions are served nevertheless.
  --allow_version_labels_for_unavailable_models=true
  --file_system_poll_wait_seconds=5
  # A damaged version fails at once instead of delaying the next one by minutes.
  --max_num_load_retries=0
  # Loads versions in a separate thread, so that requests do not wait.
  --num_load_threads=1
  # Each version contains a request for each signature, so that no visitor waits for the first call.
  --enable_model_warmup=true
  # Or every gRPC client can trace the server.
  --enable_profiler=false

  # Memory, within the server's limit of 4 GiB (4.29 GB) in Kubernetes:
  #   five loaded versions                                                          0.7 GB
  #   16 gRPC calls (one thread each; further calls get RESOURCE_EXHAUSTED) at
  #     0.13 GB: 256 drawings with all layers take 48 MB as tensors, 48 MB as lists
  #     of numbers and 48 MB as a message, some of which is freed in between; large
  #     pictures take as much while they are decoded                                2.1 GB
  #   3 REST requests at 0.5 GB: the same answer takes 127 MB as JSON, twice        1.5 GB
  #     (the page forwards two at once: one is left for the readiness check)
  --grpc_max_threads=16
  --rest_api_num_threads=3
  # Connections close after a minute, so that clients that spread their calls find new servers.
  # Clients may ping every second (keepalive). The message limit fits what the graph accepts:
  # 16,777,216 pixels, or as many bytes of picture files.
  --grpc_channel_arguments=grpc.max_connection_age_ms=60000,grpc.max_connection_age_grace_ms=10000,grpc.http2.min_ping_interval_without_data_ms=500,grpc.max_receive_message_length=20971520
  # One core per request: a drawing takes about a millisecond, and other visitors draw as well.
  --tensorflow_intra_op_parallelism=1
  --rest_api_timeout_in_ms=10000

  --monitoring_config_file=/config/monitoring.config
)
# Never use --enable_serialization_as_tensor_content: every REST :predict would then read missing
# values and crash the server (predict_impl.cc, json_tensor.cc).

# As a container's first process, the server would ignore SIGTERM, so this script stays its parent.
server= stopping=
trap 'stopping=yes; kill -TERM $server 2>/dev/null || true' TERM INT
tensorflow_model_server "${flags[@]}" "$@" &
server=$!
[[ $stopping ]] && kill -TERM "$server"  # the signal came before the server
code=0
wait "$server" || code=$?
while kill -0 "$server" 2>/dev/null; do  # a signal ended the wait, not the server
  code=0
  wait "$server" || code=$?
done
[[ $stopping ]] && exit 0
exit "$code"
