"""Where and with what figures were measured."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Any

import ray
import torch

from faceinpaint.version import commit


def machine(device: torch.device | None = None) -> dict[str, Any]:
    cpus = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in cpus if line.startswith("model name")), platform.processor())
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit() or "unknown",
        "cpu": model,
        "gpu": torch.cuda.get_device_name(device) if device is not None and device.type == "cuda" else None,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ray": ray.__version__,
    }
