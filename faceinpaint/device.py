"""How a process uses its device: threads and memory of the CPU, numeric precision, memory layout of parameters."""

from __future__ import annotations

import torch
from torch import nn

from faceinpaint.errors import InputError
from faceinpaint.memory import keep_freed
from faceinpaint.names import Precision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def settle(threads: int) -> None:
    """Compute with ``threads`` threads, and keep freed memory for the next feature map."""
    torch.set_num_threads(threads)
    keep_freed()


def choose_device(name: str | None = None) -> torch.device:
    """The device of this name, such as ``cuda``, ``cuda:1``, ``mps`` or ``cpu``; without one CUDA where it is, else the
    CPU. Raises :class:`InputError` for a device that this machine, or this torch, does not have."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"no device {name!r}: choose cpu, cuda, cuda:NUMBER or mps") from None
    if device.type == "cuda":
        known = torch.cuda.device_count() if torch.cuda.is_available() else 0
        there = (device.index or 0) < known
    else:
        there = device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())
    if not there:
        raise InputError(f"no device {name!r} here: choose cpu, or install a torch that finds the device")
    return device


def resolve_precision(precision: Precision, device: torch.device) -> str:
    """ "fp32", "bf16" or "fp16"; "auto" is bf16 where the device has instructions for it (emulated, it is slow)."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type != "cpu":
        fast = False
    else:
        known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older PyTorch does not tell: fp32
        fast = any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bf16" if fast else "fp32"


def lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Lay out the 4-d parameters of a module in ``memory_format``, in place; others keep theirs."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=memory_format)
