"""Trained networks at another size: what was learned is kept, and the start computes what the old network did.

StyleGAN2's generator is a sum of upsampled pictures. So resolutions whose picture layer is zero can be appended: the
larger picture is exactly the old one, upsampled by the generator's own filter. The discriminator grows at the other
end: a new first block halves the picture and then does what the old first layer did. Its logits stay the same, except
for rounding.
Kernels of the texture generator do not depend on its strides: they fit as they are. A kernel that gets more input
channels ignores the new ones at first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from faceinpaint.errors import InputError
from faceinpaint.models.detector import CONTEXT, LAST, DamageDetector
from faceinpaint.models.ops import SQRT2, EqualConv2d
from faceinpaint.models.structure import StructureReconstructor, input_channels
from faceinpaint.models.stylegan2 import Discriminator, ResidualDown, StyleGAN2Generator

# leaky(x) - leaky(-x) = PAIR * x: two channels carry an input of either sign through the activation.
PAIR = SQRT2 * (1 + 0.2)
STEM = "encoder.input_layer.0.weight"  # the structure reconstructor's first kernel


@dataclass(frozen=True)
class Grown:
    """A state dict of the new size; ``kept``: its key -> key of the old state whose value it has unchanged."""

    state: dict[str, Tensor]
    kept: dict[str, str]


def grow(old: Mapping[str, Tensor], module: nn.Module, where: str) -> Grown:
    """``module``'s state with ``old``, of the same kind of network, in it; ``where`` names ``old`` in errors.

    Generators, discriminators and structure reconstructors may be smaller, and a detector may lack its context; of
    others each kernel must be there, with at most fewer input channels. Raises :class:`InputError` when it does not
    fit.
    """
    if isinstance(module, StyleGAN2Generator):
        return grow_generator(old, module, where)
    if isinstance(module, Discriminator):
        return grow_discriminator(old, module, where)
    if isinstance(module, StructureReconstructor):
        return grow_structure(old, module, where)
    new = module.state_dict()
    later: tuple[str, ...] = ()
    if isinstance(module, DamageDetector) and module.context is not None and LAST[0] not in old:
        later = (CONTEXT,)
        new |= {key: torch.zeros_like(new[key]) for key in LAST}
    lacking = [key for key in new if key not in old and not key.startswith(later)]
    if lacking:
        raise InputError(f"{where}: no {lacking[0]} there, which the configured {type(module).__name__} has")
    return _by_key(old, new, where, type(module).__name__)


def grow_structure(old: Mapping[str, Tensor], structure: StructureReconstructor, where: str) -> Grown:
    """``structure``'s state with ``old``, of a smaller or equal one, in it.

    The generator grows by :func:`grow_generator`. What the encoder has beyond ``old`` (heads of new styles, layers of
    heads that read larger maps) is as ``structure`` has it, to be trained.
    """
    inside = "decoder."
    generator = {key.removeprefix(inside): value for key, value in old.items() if key.startswith(inside)}
    decoder = grow_generator(generator, structure.decoder, where)
    others, own = (
        {key: value for key, value in state.items() if not key.startswith(inside) and key != "latent_avg"}
        for state in (old, structure.state_dict())
    )
    if others[STEM].shape[1] == input_channels(False, 2) < own[STEM].shape[1]:
        raise InputError(
            f"{where}: an encoder of several passes cannot get the mask later: it comes before their picture"
        )
    encoder = _by_key(others, own, where, "structure")
    mean = old["latent_avg"]
    more = structure.latent_avg.shape[0] - mean.shape[0]
    state = {"latent_avg": torch.cat([mean, mean[-1:].expand(more, -1)]), **encoder.state}
    state |= {inside + key: value for key, value in decoder.state.items()}
    kept = encoder.kept | {inside + key: inside + source for key, source in decoder.kept.items()}
    return Grown(state, kept if more else kept | {"latent_avg": "latent_avg"})


def grow_generator(old: Mapping[str, Tensor], generator: StyleGAN2Generator, where: str) -> Grown:
    """``generator``'s state with ``old``, of a smaller or equal one, in it; new picture layers are zero.

    For W+ whose first vectors are the old ones the picture is the old picture upsampled, bit for bit. ``where`` names
    the old state in errors. Raises :class:`InputError` when the resolutions that both have differ.
    """
    new = {key: value.clone() for key, value in generator.state_dict().items()}
    first_new = 1 + max((int(key.split(".")[1]) for key in old if key.startswith("to_rgbs.")), default=-1)
    _check(old, new, where, "generator")
    for layer in range(first_new, len(generator.to_rgbs)):
        new[f"to_rgbs.{layer}.conv.weight"].zero_()
        new[f"to_rgbs.{layer}.bias"].zero_()
    new |= {key: value.clone() for key, value in old.items()}
    return Grown(new, {key: key for key in old})


def grow_discriminator(old: Mapping[str, Tensor], discriminator: Discriminator, where: str) -> Grown:
    """``discriminator``'s state with ``old``, of a smaller or equal one, behind new blocks.

    On a picture it gives the logits that the old one gives on the picture halved by the binomial filter (zeros beyond
    the edge), once per doubling. Raises :class:`InputError` when the shared blocks differ, or a new resolution has
    less than two channels per input channel.
    """
    new = {key: value.clone() for key, value in discriminator.state_dict().items()}
    doublings = _blocks(new) - _blocks(old)
    if doublings < 0:
        raise InputError(
            f"{where}: the discriminator is larger than the configured one: networks grow, they do not shrink"
        )
    kept = {
        _shifted(key, doublings): key for key in old if doublings == 0 or not key.startswith(("body.0.", "body.1."))
    }
    _check({key: old[source] for key, source in kept.items()}, new, where, "discriminator")
    new |= {key: old[source].clone() for key, source in kept.items()}
    weight, bias = old["body.0.weight"], old["body.1.bias"]
    for block in range(doublings, 0, -1):  # from the old resolution up
        carry = _carrying_block(discriminator, block + 1, weight, bias)
        new |= {f"body.{block + 1}.{key}": value for key, value in carry.items()}
        width = carry["conv1.0.weight"].shape[1]
        fresh = new["body.0.weight"] if block == 1 else torch.zeros(width, weight.shape[1], 1, 1)
        weight, bias = _carrying_first(fresh), torch.zeros(width)
    if doublings:
        new |= {"body.0.weight": weight, "body.1.bias": bias}
    return Grown(new, kept)


def _carrying_first(fresh: Tensor) -> Tensor:
    """A first layer (width, inputs, 1, 1) whose first channels are its inputs and their negatives; others as given."""
    weight, inputs = fresh.clone(), fresh.shape[1]
    weight[: 2 * inputs] = 0
    for channel in range(inputs):
        weight[channel, channel] = math.sqrt(inputs)  # the layer divides by it
        weight[channel + inputs, channel] = -math.sqrt(inputs)
    return weight


def _carrying_block(discriminator: Discriminator, index: int, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """A block that halves the inputs its pairs carry, then acts as the old first layer of ``weight`` and ``bias``."""
    block, inputs = discriminator.body[index], weight.shape[1]
    assert isinstance(block, ResidualDown)
    own = {key: value.clone() for key, value in block.state_dict().items()}
    through, down = block.conv1[0], block.conv2[1]
    assert isinstance(through, EqualConv2d)
    assert isinstance(down, EqualConv2d)
    if through.weight.shape[0] < 2 * inputs:
        found = through.weight.shape[0]
        raise InputError(f"a new resolution's discriminator has {found} channels: growing needs {2 * inputs}")
    own["conv1.0.weight"][: 2 * inputs] = 0
    for channel in range(inputs):
        for out, sign in ((channel, 1), (channel + inputs, -1)):
            own["conv1.0.weight"][out, channel, 1, 1] = sign / (PAIR * through.scale)
            own["conv1.0.weight"][out, channel + inputs, 1, 1] = -sign / (PAIR * through.scale)
    own["conv1.1.bias"][: 2 * inputs] = 0
    # The block divides its sum by sqrt(2); leaky(c x) = c leaky(x) for c > 0 undoes it.
    effective = weight[:, :, 0, 0] / math.sqrt(inputs) * SQRT2 / (PAIR * down.scale)  # out, inputs
    own["conv2.1.weight"].zero_()
    own["conv2.1.weight"][:, :inputs, 1, 1] = effective
    own["conv2.1.weight"][:, inputs : 2 * inputs, 1, 1] = -effective
    own["conv2.2.bias"] = bias * SQRT2
    own["skip.1.weight"].zero_()
    return own


def _by_key(old: Mapping[str, Tensor], own: Mapping[str, Tensor], where: str, what: str) -> Grown:
    """``own`` with the values of ``old``; of a kernel with more input channels the new ones are zero."""
    new, kept = {key: value.clone() for key, value in own.items()}, {}
    for key, value in old.items():
        if key in new and _is_widened(value, new[key]):
            new[key].zero_()[:, : value.shape[1]] = value
        else:
            _check({key: value}, new, where, what)
            new[key], kept[key] = value.clone(), key
    return Grown(new, kept)


def _is_widened(old: Tensor, new: Tensor) -> bool:
    """Whether ``new`` is a kernel (out, in, k, k) that has more input channels than ``old`` and is else alike."""
    alike = old.dim() == new.dim() == 4 and (old.shape[0], old.shape[2:]) == (new.shape[0], new.shape[2:])
    return alike and old.shape[1] < new.shape[1]


def _check(old: Mapping[str, Tensor], new: Mapping[str, Tensor], where: str, what: str) -> None:
    extra = [key for key in old if key not in new]
    if extra:
        raise InputError(f"{where}: the {what} has more layers than the configured one ({extra[0]}): it cannot shrink")
    for key, value in old.items():
        if value.shape != new[key].shape:
            raise InputError(
                f"{where}: {what}.{key} is {tuple(value.shape)}, the configured one {tuple(new[key].shape)}: "
                "what both have must have the same channels"
            )


def _blocks(state: Mapping[str, Tensor]) -> int:
    return len({key.split(".")[1] for key in state if key.startswith("body.") and ".conv1." in key})


def _shifted(key: str, doublings: int) -> str:
    """The key of a later block's tensor in a discriminator that has ``doublings`` more blocks before it."""
    if not key.startswith("body.") or key.startswith(("body.0.", "body.1.")):
        return key
    _, index, rest = key.split(".", 2)
    return f"body.{int(index) + doublings}.{rest}"
