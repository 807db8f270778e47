"""What a configuration's names stand for on a device."""

from __future__ import annotations

import pytest
import torch

from faceinpaint.device import choose_device, resolve_precision
from faceinpaint.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("capabilities", "chosen"), [({"avx512_bf16": True}, "bf16"), ({"avx2": True}, "fp32")])
def test_auto_takes_bf16_only_where_it_is_fast(
    capabilities: dict[str, bool], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolve_precision("auto", CPU) == chosen


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_named_precision_is_kept(precision: str) -> None:
    assert resolve_precision(precision, CPU) == precision  # type: ignore[arg-type]


def test_the_default_device_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device() == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device() == torch.device("cuda")


@pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps", "xpu", "toaster", ""])
def test_a_device_that_is_not_there_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"no device '{name}'"):
        choose_device(name)


def test_devices_that_are_there_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    for name in ("cpu", "cuda", "cuda:1", "mps"):
        assert choose_device(name) == torch.device(name)
    with pytest.raises(InputError, match="cuda:2"):
        choose_device("cuda:2")


def test_apple_s_device_computes_in_fp32_by_itself() -> None:
    assert resolve_precision("auto", torch.device("mps")) == "fp32"
