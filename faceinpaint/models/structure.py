"""Stage 1, the structure reconstructor (the paper, section 3): pSp encoder and StyleGAN2 generator."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.errors import InputError
from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.state_dict import last_index, load_exactly, read_checkpoint, unfilled
from faceinpaint.models.stylegan2 import Noise, StyleGAN2Generator, picture_size
from faceinpaint.models.window import Windows

PSP_INPUT = 256  # side of the pictures public pSp encoders take


class StructureReconstructor(nn.Module):
    """A damaged face to a complete one.

    The state holds ``encoder.*``, ``decoder.*`` (the generator) and ``latent_avg``, as public pSp checkpoints do.

    Args:
        generator: makes pictures of ``generator.size`` pixels, at least ``image_size``.
        encoder: gives as many styles as the generator takes.
        image_size: side of the pictures it works on; larger ones are shrunk to it, and the face made is enlarged.
        mask_input: the encoder sees the mask too (the paper: the damaged picture alone).
        passes: encoder passes; each after the first sees the picture so far, and adds to W+ (ReStyle, Alaluf 2021).
    """

    latent_avg: Tensor  # (n_styles, style_dim): the generator's mean W, which the encoder's vectors are offsets from

    def __init__(
        self,
        generator: StyleGAN2Generator,
        encoder: StyleEncoder,
        image_size: int,
        mask_input: bool = False,
        passes: int = 1,
    ):
        super().__init__()
        assert encoder.channels == input_channels(mask_input, passes), encoder.channels
        self.mask_input, self.passes = mask_input, passes
        assert encoder.n_styles == generator.n_styles, (encoder.n_styles, generator.n_styles)
        assert encoder.input_size == image_size <= generator.size, (encoder.input_size, image_size, generator.size)
        self.encoder, self.decoder = encoder, generator
        self.image_size = image_size
        self.register_buffer("latent_avg", torch.zeros(generator.n_styles, generator.style_dim))

    @classmethod
    def from_psp_checkpoint(cls, path: str | Path, image_size: int = PSP_INPUT) -> StructureReconstructor:
        """Read a public pSp checkpoint: ``{"state_dict": {encoder.*, decoder.*}, "latent_avg": (n_styles, 512)}``.

        Any output size of pSp; pictures go in and out at 256 px. Raises :class:`InputError`, listing the keys that do
        not fit. The safetensors that ``faceinpaint weights convert`` writes is read too.
        """
        if image_size != PSP_INPUT:
            raise InputError(f"{path}: pSp works on pictures of {PSP_INPUT} px, the configuration on {image_size}")
        checkpoint = read_checkpoint(path)
        state = dict(checkpoint.get("state_dict", checkpoint))
        if "latent_avg" in checkpoint:
            state["latent_avg"] = checkpoint["latent_avg"]
        size = picture_size(last_index(state, "encoder.styles.") + 1, path)
        with unfilled():
            generator = StyleGAN2Generator(size)
            model = cls(generator, StyleEncoder(generator.n_styles, input_size=PSP_INPUT), PSP_INPUT)
        load_exactly(model, state, path)
        return model.eval()

    def encode(self, images: Tensor) -> Tensor:
        """Pictures (N, C, image_size, image_size) in [-1, 1] -> W+ less latent_avg (N, n_styles, style_dim).

        C is 3, as in pSp, or what :func:`input_channels` says: picture, mask (1 in the hole), picture so far.
        """
        return self.encoder(images)

    def synthesize(self, w_plus: Tensor, noise: Noise = "const", windows: Windows | None = None) -> Tensor:
        """W+ (N, n_styles, style_dim) -> pictures (N, 3, S, S) of the generator's size, not clamped.

        ``windows``: of that picture; then only they are made, (N, 3, side, side).
        """
        return self.decoder.synthesize(w_plus, noise, windows)

    def forward(self, damaged: Tensor, mask: Tensor, windows: Windows | None = None) -> Tensor:
        """Damaged pictures of ``image_size``, 0 (grey) in the hole, (N, 3, S, S) in [-1, 1] -> complete faces.

        mask (N, 1, S, S): the hole's share of a pixel. The faces are not clamped. ``windows``: of the pictures; then
        only they are made, (N, 3, side, side).
        """
        picture, w_plus = torch.zeros_like(damaged), self.latent_avg
        for number in range(1, self.passes + 1):
            seen = [damaged] + [mask] * self.mask_input + [picture] * (self.passes > 1)
            w_plus = w_plus + self.encode(torch.cat(seen, 1))
            picture = self._picture(w_plus, windows if number == self.passes else None)
        return picture

    def _picture(self, w_plus: Tensor, windows: Windows | None) -> Tensor:
        """The generator's picture at ``image_size``."""
        ratio = self.decoder.size // self.image_size
        picture = self.synthesize(w_plus, windows=windows and windows.enlarged(ratio))
        return picture if ratio == 1 else F.avg_pool2d(picture, ratio)


def input_channels(mask_input: bool, passes: int) -> int:
    """Channels that the encoder sees: the damaged picture's, one for the mask, the picture so far."""
    return 3 + mask_input + 3 * (passes > 1)


def shrunk(images: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Pictures (N, 3, S, S) and masks (N, 1, S, S), 1 in the hole, at ``side`` pixels.

    A small pixel is the mean of the valid pixels under it, 0 (grey) where there are none; its mask is the hole's share
    of it.
    """
    ratio = images.shape[-1] // side
    if ratio == 1:
        return images * (1 - mask), mask
    small_mask = F.avg_pool2d(mask, ratio)
    valid = 1 - small_mask
    return F.avg_pool2d(images * (1 - mask), ratio) / valid.clamp(min=1 / ratio**2), small_mask
