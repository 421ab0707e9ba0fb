#!/bin/bash
# Succeeds if the server has loaded a version of the model; an open port does not show that.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/${1:-8501}"
printf 'GET /v1/models/mnist HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
timeout 2 grep -qE '"state": *"AVAILABLE"' <&3
