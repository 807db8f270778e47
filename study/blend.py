"""One network half-way between two: the mean of two weights files of the same form (model soups, Wortsman et al. 2022).

    python -m study.blend weights/a weights/b --stage texture --share 0.5 --output runs/blend

Weights that were trained on from others lie in one basin with them, so what is between works as well, and trades what
the two are good at. The first may lack what a later network has (:func:`faceinpaint.models.grow.grow`). Writes the
stage's file and the second folder's ``config.yaml``.
"""

from __future__ import annotations

import argparse

import torch

from faceinpaint.models.build import NETWORKS, build_network
from faceinpaint.models.grow import grow
from faceinpaint.models.weights import load_config, read_weights, save_config, save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--stage", choices=list(NETWORKS), required=True)
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0 to 1 (default %(default)s)")
    parser.add_argument("--output", required=True, metavar="DIR")
    args = parser.parse_args()
    config = load_config(args.second)
    network = build_network(config, args.stage)
    first, second = (read_weights(each, args.stage)[0] for each in (args.first, args.second))
    network.load_state_dict(second)
    first = grow(first, network, args.first).state
    network.load_state_dict(blended(first, second, args.share))
    save_config(args.output, config)
    print(f"{args.output}: {args.stage}, SHA-256 {save_weights(args.output, args.stage, network)}")


def blended(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """``(1 - share) first + share second``, float32, by name."""
    return {key: torch.lerp(value.float(), second[key].float(), share) for key, value in first.items()}


if __name__ == "__main__":
    main()
