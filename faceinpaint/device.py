"""How a process uses its device: threads and memory of the CPU, numeric precision, memory layout of parameters."""

from __future__ import annotations

import torch
from torch import nn

from faceinpaint.memory import keep_freed
from faceinpaint.names import Precision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def settle(threads: int) -> None:
    """Compute with ``threads`` threads, and keep freed memory for the next feature map."""
    torch.set_num_threads(threads)
    keep_freed()


def resolve_precision(precision: Precision, device: torch.device) -> str:
    """ "fp32", "bf16" or "fp16"; "auto" is bf16 where the device has instructions for it (emulated, it is slow)."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bf16" if fast else "fp32"


def lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Lay out the 4-d parameters of a module in ``memory_format``, in place; others keep theirs."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=memory_format)
