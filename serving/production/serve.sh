#!/bin/bash
# TensorFlow Serving as this project runs it; flags that are given to this script come last and win.
set -euo pipefail

flags=(
  --port=8500
  --rest_api_port=8501

  --model_config_file=/config/models.config
  # Labels are moved by editing that file.
  --model_config_file_poll_wait_seconds=10
  # With weights of one's own `stable` has no version; the others are served all the same.
  --allow_version_labels_for_unavailable_models=true
  --file_system_poll_wait_seconds=5
  # A version that is broken says so at once, and does not keep the next one waiting for minutes.
  --max_num_load_retries=0
  # A version loads beside the requests, not between them.
  --num_load_threads=1
  # Each version carries a request of each signature, so that no visitor waits for the first.
  --enable_model_warmup=true

  # Layers travel as bytes; as lists of numbers they take many times longer to read.
  --enable_serialization_as_tensor_content=true
  # Connections end after a minute, so that clients that spread the load find new servers.
  --grpc_channel_arguments=grpc.max_connection_age_ms=60000,grpc.max_connection_age_grace_ms=10000
  # The default is 4 a core; who comes on top is refused (RESOURCE_EXHAUSTED).
  --grpc_max_threads=64
  # One request, one core: a drawing takes about a millisecond, and others draw at the same time.
  --tensorflow_intra_op_parallelism=1

  --rest_api_timeout_in_ms=10000
  # Pages of other addresses may call.
  --rest_api_enable_cors_support=true

  --monitoring_config_file=/config/monitoring.config
)
exec tensorflow_model_server "${flags[@]}" "$@"
