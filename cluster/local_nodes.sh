#!/usr/bin/env bash
# Several Ray nodes on this machine, dashboard on loopback: cluster/local_nodes.sh start [NODES] | stop
set -euo pipefail
PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH"  # jobs run with the nodes' python
case "${1:-}" in
  start)
    ray get-auth-token --generate > /dev/null  # clients and nodes share ~/.ray/auth_token
    export RAY_AUTH_MODE=token
    ray start --head --port=6379 --num-cpus=2 --dashboard-host=127.0.0.1 --node-ip-address=127.0.0.1
    for i in $(seq 2 "${2:-2}"); do  # on one host, a joining node would clear the head's uploads and want its port
      ray start --address=127.0.0.1:6379 --num-cpus=2 --node-ip-address=127.0.0.1 \
        --temp-dir="$(mktemp -d /tmp/ray-XXXXXX)" --dashboard-agent-listen-port=$((52365 + i))
    done
    echo "submit with: RAY_AUTH_MODE=token ray job submit --address http://127.0.0.1:8265 --working-dir . -- python jobs/..."
    ;;
  stop) ray stop ;;
  *) echo "usage: $0 start [NODES] | stop" >&2; exit 2 ;;
esac
