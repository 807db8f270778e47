"""``/metrics``: what every node of the cluster tells Prometheus of this service, in one text."""

from __future__ import annotations

import urllib.request

import ray

SHOWN = ("ray_faceinpaint_", "ray_serve_")
TIMEOUT = 2.0  # seconds per node


def exposition() -> str:
    """Prometheus' text of the service's own metrics and Ray Serve's, from each node's agent; blocks for a moment."""
    alive = [node for node in ray.nodes() if node.get("Alive") and node.get("MetricsExportPort")]
    return "".join(_of_node(node["NodeManagerAddress"], node["MetricsExportPort"]) for node in alive)


def _of_node(address: str, port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/metrics", timeout=TIMEOUT) as answer:
            lines = answer.read().decode().splitlines(keepends=True)
    except OSError:  # urllib's own errors too
        return f"# node {address} does not answer\n"
    return "".join(line for line in lines if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(SHOWN))
