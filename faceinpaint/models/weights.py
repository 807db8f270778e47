"""Weights folders: ``config.yaml`` and each model's safetensors in fp16, named as evaluation names its method.

A model larger than PART_BYTES goes on in ``NAME.part2.safetensors`` and so on, since git hosts dislike large files. The
metadata of each part say which part of what it is: one that is left of an older model is noticed.
"""

from __future__ import annotations

import hashlib
import json
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
LABEL = "part"  # of metadata: "NUMBER of COUNT of HASH"


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
    parts = _encoded(tensors)
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

    Raises :class:`InputError` when a file is absent or damaged, or its parts are not of one model.
    """
    uri = fetched(uri)
    path = join(uri, f"{name}.safetensors")
    if not has_weights(uri, name):
        raise InputError(f"no weights at {path}: train `stage` {name}, or name a folder that has it")
    digest, parts = hashlib.sha256(), _read_parts(uri, name)
    tensors: dict[str, torch.Tensor] = {}
    for number, data in enumerate(parts, start=1):
        try:
            tensors |= safetensors.torch.load(data)
        except safetensors.SafetensorError as error:
            raise InputError(f"{_part_uri(uri, name, number)} is not a safetensors file: {error}") from None
        digest.update(data)
    if not _belong_together(parts):
        raise InputError(
            f"{path} and its further parts are not of one model: a run was killed while it wrote them; train `stage` "
            f"{name} again by the same command, or fetch all parts again"
        )
    return tensors, digest.hexdigest()


def are_whole(uri: str, name: str) -> bool:
    """Whether a weights folder holds all parts of ``name``, and of one model."""
    return has_weights(uri, name) and _belong_together(_read_parts(fetched(uri), name))


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


def _encoded(tensors: dict[str, torch.Tensor]) -> list[bytes]:
    """Safetensors files; of several, each says its number, how many there are, and of what: a hash of all tensors."""
    parts = list(_parts(tensors))
    if len(parts) == 1:
        return [safetensors.torch.save(parts[0])]
    whole = hashlib.sha256()
    for key, tensor in tensors.items():
        whole.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode() + _bytes(tensor))
    labels = _labels(len(parts), whole.hexdigest()[:16])
    return [safetensors.torch.save(part, {LABEL: label}) for part, label in zip(parts, labels, strict=True)]


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def _labels(count: int, whole: str) -> list[str]:
    # One entry of metadata alone: safetensors writes several in any order, and a file must be the same each time.
    return [f"{number} of {count} of {whole}" for number in range(1, count + 1)]


def _label_of(data: bytes) -> str | None:
    """What a part says of itself; None: nothing, as files of one part, and older ones."""
    size = int.from_bytes(data[:8], "little")
    try:
        return json.loads(data[8 : 8 + size]).get("__metadata__", {}).get(LABEL)
    except (ValueError, AttributeError):
        return None  # no safetensors file: whoever reads its tensors says so


def _belong_together(parts: list[bytes]) -> bool:
    """Whether the parts are of one model, and all of it. Parts that say nothing are taken to be."""
    labels = [_label_of(part) for part in parts]
    whole = (labels[0] or "").rpartition(" ")[2]
    return not any(labels) or labels == _labels(len(parts), whole)


def _read_parts(uri: str, name: str) -> list[bytes]:
    """The files of a model, in order."""
    parts = [read_bytes(_part_uri(uri, name, 1))]
    while exists(_part_uri(uri, name, len(parts) + 1)):
        parts.append(read_bytes(_part_uri(uri, name, len(parts) + 1)))
    return parts


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
