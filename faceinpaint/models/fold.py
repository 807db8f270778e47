"""Batch norms folded into the convolutions before them: the same function in fewer passes over memory."""

from __future__ import annotations

import itertools

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(model: nn.Module) -> None:
    """Fold, in place, each ``BatchNorm2d`` that follows a ``Conv2d`` in an ``nn.Sequential``.

    ``model`` is in evaluation mode and stays there: its state has other keys afterwards. A norm before a convolution
    stays, because zero padding comes between them.
    """
    assert not model.training
    for sequence in model.modules():
        if not isinstance(sequence, nn.Sequential):
            continue
        for (name, layer), (next_name, following) in itertools.pairwise(list(sequence.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                setattr(sequence, name, fuse_conv_bn_eval(layer, following))
                setattr(sequence, next_name, nn.Identity())
