"""Weights folders: ``config.yaml`` and each model's safetensors in fp16, named as evaluation names its method.

A model larger than PART_BYTES goes on in ``NAME.part2.safetensors`` and so on, since git hosts dislike large files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import safetensors
import safetensors.torch
import torch
from torch import nn

from faceinpaint.config import Config
from faceinpaint.errors import InputError
from faceinpaint.load_config import parse_yaml
from faceinpaint.models.find_weights import fetched
from faceinpaint.models.state_dict import load_exactly
from faceinpaint.storage import delete, exists, join, read_bytes, write_bytes

PART_BYTES = 24_000_000


def save_config(uri: str, config: Config) -> None:
    """Write ``config.yaml`` into a weights folder (local or s3://)."""
    write_bytes(join(uri, "config.yaml"), config.to_yaml().encode())


def load_config(uri: str) -> Config:
    """The configuration of a weights folder. Raises :class:`InputError` when absent or wrong."""
    path = join(fetched(uri), "config.yaml")
    if not exists(path):
        raise InputError(f"no configuration at {path}: a weights folder holds config.yaml beside its *.safetensors")
    return parse_yaml(read_bytes(path).decode(), where=path)


def save_weights(uri: str, name: str, module: nn.Module) -> str:
    """Write a module's state as fp16 to ``uri/name.safetensors``, read it back to verify; returns its SHA-256.

    A tensor with values beyond fp16's 65504, as variances may have, stays as it is.
    """
    tensors = {key: _halved(value.detach()).cpu().contiguous() for key, value in module.state_dict().items()}
    digest = hashlib.sha256()
    parts = [safetensors.torch.save(part) for part in _parts(tensors)]
    stale = len(parts) + 1
    while exists(_part_uri(uri, name, stale)):  # of a larger model before
        delete(_part_uri(uri, name, stale))
        stale += 1
    for number, data in reversed(list(enumerate(parts, start=1))):  # the file that others look for comes last
        path = _part_uri(uri, name, number)
        write_bytes(path, data)
        assert read_bytes(path) == data, f"{path} does not read back as written"
    for data in parts:
        digest.update(data)
    return digest.hexdigest()


def has_weights(uri: str, name: str) -> bool:
    """Whether a weights folder holds ``name.safetensors``."""
    return exists(join(fetched(uri), f"{name}.safetensors"))


def load_weights(uri: str, name: str, module: nn.Module, assign: bool = False) -> str:
    """Fill a module from ``uri/name.safetensors`` (key by key, as fp32) and return the file's SHA-256.

    assign: as in :func:`~faceinpaint.models.state_dict.load_exactly`; a module on the meta device loads faster.
    Raises :class:`InputError` when the file is absent, damaged, or lacks, adds or misshapes keys, and lists them.
    """
    tensors, digest = read_weights(uri, name)
    load_exactly(module, tensors, join(uri, f"{name}.safetensors"), assign=assign)
    return digest


def read_weights(uri: str, name: str) -> tuple[dict[str, torch.Tensor], str]:
    """The state dict in ``uri/name.safetensors``, as it is stored, and the SHA-256 of its files.

    Raises :class:`InputError` when a file is absent or damaged.
    """
    uri = fetched(uri)
    path = join(uri, f"{name}.safetensors")
    if not has_weights(uri, name):
        raise InputError(f"no weights at {path}: train `stage` {name}, or name a folder that has it")
    digest, number = hashlib.sha256(), 1
    tensors: dict[str, torch.Tensor] = {}
    while number == 1 or exists(_part_uri(uri, name, number)):
        data = read_bytes(_part_uri(uri, name, number))
        try:
            tensors |= safetensors.torch.load(data)
        except safetensors.SafetensorError as error:
            raise InputError(f"{_part_uri(uri, name, number)} is not a safetensors file: {error}") from None
        digest.update(data)
        number += 1
    return tensors, digest.hexdigest()


def copy_weights(source: str, name: str, target: str) -> None:
    """Copy a model between weights folders. Raises :class:`InputError` when ``target`` holds another of that name."""
    source, number = fetched(source), 1
    while exists(_part_uri(source, name, number)):
        data, path = read_bytes(_part_uri(source, name, number)), _part_uri(target, name, number)
        if not exists(path):
            write_bytes(path, data)
        elif read_bytes(path) != data:
            raise InputError(f"{path} is not the {name} of {source}: choose another `output`")
        number += 1


def _halved(value: torch.Tensor) -> torch.Tensor:
    """In fp16, where it is of floats that fit."""
    fits = value.is_floating_point() and not bool((value.abs() > torch.finfo(torch.float16).max).any())
    return value.to(torch.float16) if fits else value


def _parts(tensors: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors in order, in as few parts of at most PART_BYTES as that allows."""
    part: dict[str, torch.Tensor] = {}
    size = 0
    for key, tensor in tensors.items():
        if part and size + tensor.nbytes > PART_BYTES:
            yield part
            part, size = {}, 0
        part[key] = tensor
        size += tensor.nbytes
    yield part


def _part_uri(uri: str, name: str, number: int) -> str:
    return join(uri, f"{name}.safetensors" if number == 1 else f"{name}.part{number}.safetensors")
