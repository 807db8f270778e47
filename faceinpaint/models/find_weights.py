"""Where weights come from: a folder, ``$FACEINPAINT_WEIGHTS``, or a repository of the Hugging Face hub.

Only a name that begins with ``hf://`` is ever fetched from the network, only ``config.yaml`` and safetensors files of
it, and each file once: huggingface_hub keeps them in its cache (``HF_HOME``). ``HF_ENDPOINT`` names another server.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from faceinpaint.errors import InputError
from faceinpaint.storage import absolute, first_line

VARIABLE = "FACEINPAINT_WEIGHTS"
HUB = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+?)(@(?P<revision>[\w.-]+))?(/(?P<folder>[\w./-]+))?")
FILES = ("config.yaml", "*.safetensors")


def find_weights(given: str | Path | None) -> str:
    """The URI of a weights folder: ``given``, else what ``$FACEINPAINT_WEIGHTS`` says.

    Local paths are made absolute; ``s3://`` and ``hf://`` stay as they are. Raises :class:`InputError` without either.
    """
    chosen = str(given) if given is not None else os.environ.get(VARIABLE)
    if not chosen:
        raise InputError(
            f"no weights named: give a folder, s3://bucket/folder or hf://owner/name, or set {VARIABLE} to one"
        )
    return chosen if chosen.startswith("hf://") else absolute(chosen)


def fetched(uri: str) -> str:
    """``uri`` itself, or the local folder that holds the files of ``hf://owner/name[@revision][/folder]``.

    Raises :class:`InputError` when the name is wrong, huggingface_hub is not installed or the hub does not answer.
    """
    return _from_hub(uri) if uri.startswith("hf://") else uri


@cache
def _from_hub(uri: str) -> str:
    name = HUB.fullmatch(uri)
    if name is None:
        raise InputError(f"{uri!r}: write hf://owner/name, hf://owner/name@revision or hf://owner/name/folder")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(f"{uri}: needs the package huggingface-hub: pip install 'faceinpaint[hub]'") from None
    folder = (name["folder"] or "").strip("/")
    patterns = [f"{folder}/{file}".lstrip("/") for file in FILES]
    try:
        local = snapshot_download(name["repo"], revision=name["revision"], allow_patterns=patterns)
    except (OSError, ValueError) as error:  # huggingface_hub's own errors are of these kinds
        raise InputError(f"{uri} could not be fetched: {first_line(error)}") from None
    return os.path.join(local, folder) if folder else local
