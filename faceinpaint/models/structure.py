"""Stage 1, the structure reconstructor (the paper, section 3): pSp encoder and StyleGAN2 generator."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.errors import InputError
from faceinpaint.models.encoder import StyleEncoder
from faceinpaint.models.state_dict import last_index, load_exactly, read_checkpoint
from faceinpaint.models.stylegan2 import Noise, StyleGAN2Generator, picture_size
from faceinpaint.models.window import Windows

PSP_INPUT = 256  # side of the pictures public pSp encoders take


class StructureReconstructor(nn.Module):
    """A damaged face to a complete one.

    The state holds ``encoder.*``, ``decoder.*`` (the generator) and ``latent_avg``, as public pSp checkpoints do.

    Args:
        generator: makes pictures of ``generator.size`` pixels, at least ``image_size``.
        encoder: gives as many styles as the generator takes.
        image_size: side of the pictures that come in and go out.
    """

    latent_avg: Tensor  # (n_styles, style_dim): the generator's mean W, which the encoder's vectors are offsets from

    def __init__(self, generator: StyleGAN2Generator, encoder: StyleEncoder, image_size: int):
        super().__init__()
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
        with torch.device("meta"):
            generator = StyleGAN2Generator(size)
            model = cls(generator, StyleEncoder(generator.n_styles, input_size=PSP_INPUT), PSP_INPUT)
        load_exactly(model, state, path)
        return model.eval()

    def set_generator(self, generator: StyleGAN2Generator) -> None:
        """Put another generator of the same size in. Raises :class:`InputError` when its size is another."""
        if generator.size != self.decoder.size:
            raise InputError(f"the generator makes {generator.size} px pictures, the configuration {self.decoder.size}")
        self.decoder = generator

    def encode(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, image_size, image_size) in [-1, 1] -> W+ less latent_avg (N, n_styles, style_dim)."""
        return self.encoder(images)

    def synthesize(self, w_plus: Tensor, noise: Noise = "const", windows: Windows | None = None) -> Tensor:
        """W+ (N, n_styles, style_dim) -> pictures (N, 3, S, S) of the generator's size, not clamped.

        ``windows``: of that picture; then only they are made, (N, 3, side, side).
        """
        return self.decoder.synthesize(w_plus, noise, windows)

    def forward(self, damaged: Tensor, windows: Windows | None = None) -> Tensor:
        """Damaged pictures, 0 (grey) in the hole, (N, 3, S, S) in [-1, 1] -> complete faces, not clamped.

        ``windows``: of the pictures; then only they are made, (N, 3, side, side).
        """
        ratio = self.decoder.size // self.image_size
        w_plus = self.encode(damaged) + self.latent_avg
        picture = self.synthesize(w_plus, windows=windows and windows.enlarged(ratio))
        return picture if ratio == 1 else F.avg_pool2d(picture, ratio)
