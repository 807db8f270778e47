"""Where a restoration's time goes: by part of the network and by operation, as Markdown.

python -m bench.profile [--preset celebahq256-native] [--batch 8] [--precision bf16]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from bench.markdown import table
from bench.networks import network, pictures
from faceinpaint.inference.inpainter import Inpainter
from faceinpaint.load_config import load_preset

ROUNDS = 5
PARTS = {"encoder": "structure.encoder", "generator": "structure.decoder", "texture generator": "texture"}
LEAST_SHARE = 0.01  # of the time; smaller operations are summed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="celebahq256-native")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    args = parser.parse_args()
    config = load_preset(args.preset)
    model = network(config, "two-stage")
    inpainter = Inpainter(model, config, "untrained", torch.device("cpu"), args.precision)
    images, masks = pictures(config.image_size, args.batch)
    inpainter.restore_batch(images, masks)
    print(f"{args.preset}, batch {args.batch}, {args.precision}, {torch.get_num_threads()} threads\n")
    print(by_part(inpainter, images, masks))
    with profile(activities=[ProfilerActivity.CPU]) as measured:
        inpainter.restore_batch(images, masks)
    print(by_operation(measured))


def by_part(inpainter: Inpainter, images: Any, masks: Any) -> str:
    """Median seconds in each part, and in all of the call."""
    took: dict[str, list[float]] = defaultdict(list)
    for name, path in PARTS.items():
        _timed(inpainter.model.get_submodule(path), took[name])
    for _ in range(ROUNDS):
        began = time.perf_counter()
        inpainter.restore_batch(images, masks)
        took["all"].append(time.perf_counter() - began)
    median = {name: statistics.median(seconds) for name, seconds in took.items()}
    rows = [(name, f"{seconds:.3f}", f"{seconds / median['all']:.0%}") for name, seconds in median.items()]
    return table(("part", "s", "share"), rows) + "\n"


def _timed(part: nn.Module, seconds: list[float]) -> None:
    """Append what each of ``part``'s calls takes; a generator is called by ``synthesize``."""
    name = "synthesize" if hasattr(part, "synthesize") else "forward"
    work = getattr(part, name)

    def timed(*args: Any, **keywords: Any) -> Any:
        began = time.perf_counter()
        result = work(*args, **keywords)
        seconds.append(time.perf_counter() - began)
        return result

    setattr(part, name, timed)


def by_operation(measured: profile) -> str:
    """Self time of each operation over that of all."""
    spent = {event.key: event.self_cpu_time_total for event in measured.key_averages() if event.key.startswith("aten")}
    total = sum(spent.values())
    named = {key: t for key, t in spent.items() if t >= LEAST_SHARE * total}
    named["others"] = total - sum(named.values())
    ranked = sorted(named.items(), key=lambda pair: -pair[1])
    rows = [(key.removeprefix("aten::"), f"{seconds / total:.0%}") for key, seconds in ranked]
    return table(("operation", "share"), rows) + "\n"


if __name__ == "__main__":
    main()
