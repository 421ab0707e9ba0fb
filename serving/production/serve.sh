#!/bin/bash
# TensorFlow Serving as this project runs it; flags that are given to this script come last and win.
# What each flag does there was read in the source of 2.20.0 (main.cc, server.cc, http_server.cc).
set -euo pipefail

flags=(
  --port=8500
  --rest_api_port=8501

  --model_config_file=/config/models.config
  # Labels are moved by editing that file, which Compose and Kubernetes have in the image: mount one
  # over it, or send a HandleReloadConfigRequest (ModelService).
  --model_config_file_poll_wait_seconds=10
  # Without it a label for a version that is still loading stops the start; with weights of your own
  # `stable` has no version, and the others are served all the same.
  --allow_version_labels_for_unavailable_models=true
  --file_system_poll_wait_seconds=5
  # A version that is broken says so at once, and does not keep the next one waiting for minutes.
  --max_num_load_retries=0
  # A version loads beside the requests, not between them.
  --num_load_threads=1
  # Each version carries a request of each signature, so that no visitor waits for the first.
  --enable_model_warmup=true
  # Else every gRPC caller may trace the server.
  --enable_profiler=false

  # Memory, all of which has to fit into the 4 GiB that Kubernetes allows a server (4.29 GB):
  #   five versions loaded                                                          0.7 GB
  #   16 gRPC calls (one thread each; what comes on top is RESOURCE_EXHAUSTED) at
  #     0.13 GB: 256 drawings with all layers are 48 MB as tensors, as much as lists
  #     of numbers, and once more on the wire, less what is freed in between; large
  #     pictures are as much again while they are unpacked                          2.1 GB
  #   3 REST requests at 0.5 GB: the same as JSON is 127 MB, which is there twice   1.5 GB
  #     (the page passes on two at once: one is left for the readiness check)
  --grpc_max_threads=16
  --rest_api_num_threads=3
  # Connections end after a minute, so that clients that spread the load find new servers. A client
  # may ask every second whether its connection is alive. A message is no larger than what the graph
  # lets in: 16,777,216 pixels, or as many bytes of picture files.
  --grpc_channel_arguments=grpc.max_connection_age_ms=60000,grpc.max_connection_age_grace_ms=10000,grpc.http2.min_ping_interval_without_data_ms=500,grpc.max_receive_message_length=20971520
  # One request, one core: a drawing takes about a millisecond, and others draw at the same time.
  --tensorflow_intra_op_parallelism=1
  --rest_api_timeout_in_ms=10000

  --monitoring_config_file=/config/monitoring.config
)
# Never --enable_serialization_as_tensor_content: with it every REST :predict reads values that are
# not there, and the process ends (predict_impl.cc, json_tensor.cc).

# As a container's first process the server would ignore SIGTERM, so this script stays its parent.
server= stopping=
trap 'stopping=yes; kill -TERM $server 2>/dev/null || true' TERM INT
tensorflow_model_server "${flags[@]}" "$@" &
server=$!
[[ $stopping ]] && kill -TERM "$server"  # told so before there was a server
code=0
wait "$server" || code=$?
while kill -0 "$server" 2>/dev/null; do  # a signal has ended the waiting, not the server
  code=0
  wait "$server" || code=$?
done
[[ $stopping ]] && exit 0
exit "$code"
