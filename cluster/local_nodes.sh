#!/usr/bin/env bash
# Several Ray nodes on this machine, all on loopback: cluster/local_nodes.sh start [NODES] | stop
# Ports of the head: PORT (6379), DASHBOARD_PORT (8265), METRICS_PORT (8080). `stop` stops these nodes and
# no other Ray, and removes their temporary folders, logs included.
set -euo pipefail
PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH"  # jobs run with the nodes' python
state="${TMPDIR:-/tmp}/faceinpaint-nodes-$(id -u)"
port="${PORT:-6379}" dashboard="${DASHBOARD_PORT:-8265}" metrics="${METRICS_PORT:-8080}"

node() {  # on one host each node needs a folder of its own: a joining one would clear the head's uploads
  local folder
  folder="$(mktemp -d /tmp/ray-XXXXXX)"  # a longer path leaves no room for the names of Ray's sockets
  echo "$folder" >> "$state/folders"
  setsid ray start --block --node-ip-address=127.0.0.1 --num-cpus=2 --disable-usage-stats \
    --temp-dir="$folder" --dashboard-agent-listen-port=0 "$@" >> "$state/log" 2>&1 < /dev/null &
  echo $! >> "$state/pids"
}

submit() { ray job submit --address "http://127.0.0.1:$dashboard" -- "$@"; }

stop() {
  [ -f "$state/pids" ] || return 0
  while read -r pid; do kill -TERM -- "-$pid" 2> /dev/null || true; done < "$state/pids"
  while read -r pid; do  # a minute at most: what still writes would leave files behind
    for _ in $(seq 120); do kill -0 -- "-$pid" 2> /dev/null && sleep 0.5 || break; done
  done < "$state/pids"
  while read -r folder; do rm -rf "$folder"; done < "$state/folders"
  rm -r "$state"
}

case "${1:-}" in
  start)
    stop
    mkdir -p "$state"
    ray get-auth-token --generate > /dev/null  # clients and nodes share ~/.ray/auth_token
    export RAY_AUTH_MODE=token
    node --head --port="$port" --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" --metrics-export-port="$metrics"
    for _ in $(seq 60); do
      submit true > /dev/null 2>&1 && ready=1 && break
      kill -0 "$(head -1 "$state/pids")" 2> /dev/null || break  # it gave up: so do we
      sleep 1
    done
    [ "${ready:-}" ] || { echo "the head did not come up:" >&2; tail "$state/log" >&2; stop; exit 1; }
    for _ in $(seq 2 "${2:-2}"); do node --address="127.0.0.1:$port"; done
    echo "submit with: RAY_AUTH_MODE=token ray job submit --address http://127.0.0.1:$dashboard --working-dir . -- python jobs/..."
    ;;
  stop) stop ;;
  *) echo "usage: $0 start [NODES] | stop" >&2; exit 2 ;;
esac
