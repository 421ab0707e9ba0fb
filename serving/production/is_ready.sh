#!/bin/bash
# Ready is a server that has a version of the model loaded: an open port says nothing of that.
set -euo pipefail
exec 3<>"/dev/tcp/127.0.0.1/${1:-8501}"
printf 'GET /v1/models/mnist HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
timeout 2 grep -qE '"state": *"AVAILABLE"' <&3
