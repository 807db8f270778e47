"""Weights from files that others made: nothing in them is run, and every key and shape must fit."""

from __future__ import annotations

import argparse
import pickle
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from faceinpaint.errors import InputError

LISTED = 12  # keys of each kind that an error names
TORCH_FILE_STARTS = (b"PK\x03\x04", b"\x80")  # zip archive; legacy pickle
DAMAGE = (
    OSError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError,
    pickle.UnpicklingError, struct.error,
)  # fmt: skip  # what torch's restricted unpickler was seen to raise on damaged or hostile files


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The content of a ``.safetensors`` or ``torch.save`` file, on the CPU.

    Pickles are read with ``weights_only=True``: tensors, plain containers and ``argparse.Namespace`` (training options)
    pass, anything that would run code does not. Raises :class:`InputError` for absent, damaged and refused files.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no weights at {path}: `faceinpaint weights list` says where public files come from")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with path.open("rb") as file:
            if not file.read(4).startswith(TORCH_FILE_STARTS):
                raise InputError(
                    f"{path} is not a torch checkpoint: expected a file made by torch.save, or .safetensors"
                )
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except (SafetensorError, *DAMAGE) as error:
        # Of torch's long message only what was refused: its advice is to read the file without this protection.
        refused = re.search(r"(Unsupported|unsupported|Can only)[^\n]*?(?= was not |\.?\n|$)", str(error))
        reason = refused.group() if refused else str(error).partition("\n")[0]
        raise InputError(f"{path} was not loaded, as it is damaged or holds more than weights: {reason}") from None
    if not isinstance(content, Mapping):
        raise InputError(f"{path} holds a {type(content).__name__}, not a dictionary of weights")
    return dict(content)


def _normalised(x: Tensor, out: Tensor | None = None, **_: Any) -> Tensor:
    return x if out is None else out


# What fills weights and takes spectral norms, of tensors without memory: a tensor of the result's shape is the result.
HOLLOW: dict[str, Callable[..., Tensor]] = {
    "normal_": lambda tensor, *_, **__: tensor,
    "normalize": _normalised,
    "mv": lambda matrix, vector: matrix.new_empty(len(matrix)),
    "vdot": lambda a, b: a.new_empty(()),
    "div": lambda a, b: a.new_empty(torch.broadcast_shapes(a.shape, getattr(b, "shape", ()))),
}


class _Unfilled(TorchFunctionMode):
    """Computes nothing of :data:`HOLLOW` where there are no values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        hollow = HOLLOW.get(getattr(func, "__name__", ""))
        first = next(iter((*args, *given.values())), None)
        if hollow and isinstance(first, Tensor) and first.is_meta:
            return hollow(*args, **given)
        return func(*args, **given)


@contextmanager
def unfilled() -> Iterator[None]:
    """Modules made inside have no memory for their weights (the meta device): :func:`load_exactly` gives them theirs.

    For some of what fills weights torch's meta device would import the compiler, which takes two CPU seconds.
    """
    with torch.device("meta"), _Unfilled():
        yield


def load_exactly(module: nn.Module, state: Mapping[str, Any], where: str | Path, assign: bool = True) -> None:
    """Give ``module`` the tensors of ``state``, as float32.

    assign: the tensors become the module's own, which may be :func:`unfilled` until now; else they are copied into
    those it has, which optimizers may hold already.

    Raises :class:`InputError`, which lists the keys, when any is missing, extra or of another shape.
    """
    wanted = module.state_dict()
    missing = [key for key in wanted if key not in state]
    extra = [str(key) for key in state if key not in wanted]
    misshapen = [
        f"{key} {_shape(state[key])} instead of {_shape(wanted[key])}"
        for key in wanted
        if key in state and _shape(state[key]) != _shape(wanted[key])
    ]
    problems = {"missing": missing, "extra": extra, "misshapen": misshapen}
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {_some(keys)}" for kind, keys in problems.items() if keys)
        raise InputError(f"{where} does not fit {type(module).__name__}: {listed}")
    module.load_state_dict(dict(state), assign=assign)
    module.float()


def last_index(state: Mapping[str, Any], prefix: str) -> int:
    """The largest i of the keys ``<prefix>i...``, or -1."""
    tails = (str(key).removeprefix(prefix) for key in state if str(key).startswith(prefix))
    return max((int(head) for head in (tail.partition(".")[0] for tail in tails) if head.isdecimal()), default=-1)


def _shape(value: Any) -> tuple[int, ...] | str:
    return tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return ", ".join(keys[:LISTED]) + more
