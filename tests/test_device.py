"""What a configuration's names stand for on a device."""

from __future__ import annotations

import pytest
import torch

from faceinpaint.device import resolve_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("capabilities", "chosen"), [({"avx512_bf16": True}, "bf16"), ({"avx2": True}, "fp32")])
def test_auto_takes_bf16_only_where_it_is_fast(
    capabilities: dict[str, bool], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert resolve_precision("auto", CPU) == chosen


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_named_precision_is_kept(precision: str) -> None:
    assert resolve_precision(precision, CPU) == precision  # type: ignore[arg-type]
