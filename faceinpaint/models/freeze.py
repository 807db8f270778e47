"""What can be computed once when weights no longer change: the same function in fewer passes over memory."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from faceinpaint.device import lay_out
from faceinpaint.models.ops import ModulatedConv2d


def freeze(model: nn.Module, dtype: torch.dtype, memory_format: torch.memory_format) -> None:
    """Ready a model for restoring under autocast to ``dtype`` (or without, in float32), in place.

    ``model`` is on its device and in evaluation mode; neither may change afterwards, nor its weights. Batch norms are
    folded, modulated kernels scaled, and weights cast here as autocast would at every call.
    """
    model.requires_grad_(False)
    fold_batch_norms(model)
    for module in model.modules():
        if isinstance(module, ModulatedConv2d):
            module.fix(dtype)
        elif isinstance(module, nn.Conv2d | nn.Linear) and not is_parametrized(module):  # spectral norm needs float32
            module.to(dtype)
    lay_out(model, memory_format)


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
