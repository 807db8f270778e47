"""Restoring pictures in one process: the public Python API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import nn

from faceinpaint.config import Config, Precision
from faceinpaint.data.growth import Grow
from faceinpaint.data.marked_holes import Reading, hole_of_mask
from faceinpaint.data.routing import route
from faceinpaint.data.user_masks import Polarity
from faceinpaint.device import DTYPES, choose_device, resolve_precision
from faceinpaint.errors import InputError
from faceinpaint.images import check_rgb
from faceinpaint.inference.compose import compose, plan_for
from faceinpaint.inference.guide import SOURCES, guide_from_attention
from faceinpaint.inference.own_error import own_error
from faceinpaint.models import build
from faceinpaint.models.baselines.latent_optimisation import LatentOptimisation
from faceinpaint.models.find_weights import find_weights
from faceinpaint.models.freeze import freeze
from faceinpaint.models.state_dict import unfilled
from faceinpaint.models.texture import Attention
from faceinpaint.models.two_stage import Drawn, TwoStage, window_side
from faceinpaint.models.weights import load_config, load_weights
from faceinpaint.stages import METHODS, STAGES, Method
from faceinpaint.tensors import mask_to_float, to_float, to_uint8

Picture = TypeVar("Picture", Image.Image, np.ndarray)
Network = TypeVar("Network", bound=nn.Module)


class Sources(NamedTuple):
    """Where attention looked, in cells of a picture, row by row: ``holes`` bool (N, P), the cells that touch the hole;
    ``cells`` (N, P, K), the ones that each takes most from, strongest first, and their ``weights`` (N, P, K)."""

    holes: np.ndarray
    cells: np.ndarray
    weights: np.ndarray


class Restored(NamedTuple):
    """pictures: uint8 (N, S, S, 3); sources: where attention looked, None without; errors: stage 1's own on valid
    pixels (:mod:`faceinpaint.inference.own_error`), float32 (N,), NaN where it is not known."""

    pictures: np.ndarray
    sources: Sources | None
    errors: np.ndarray


class Inpainter:
    """A trained method on a device.

    Load one with :meth:`load`. ``image_size``: side of the square pictures the method works on; ``model_sha256``: hash
    of the weights files it was loaded from.
    """

    def __init__(self, model: nn.Module, config: Config, model_sha256: str, device: torch.device, precision: Precision):
        self.config, self.image_size, self.model_sha256 = config, config.image_size, model_sha256
        self.device, self.precision = device, resolve_precision(precision, device)
        self.memory_format = torch.channels_last if config.channels_last else torch.contiguous_format
        self.model = model.to(device).eval()
        freeze(self.model, DTYPES[self.precision], self.memory_format)

    @classmethod
    def load(
        cls,
        weights: str | Path | None = None,
        method: str = "two-stage",
        device: str | None = None,
        precision: Precision = "fp32",
    ) -> Inpainter:
        """Load a method from a weights folder.

        Args:
            weights: folder with ``config.yaml`` and safetensors files, ``s3://bucket/folder`` or ``hf://owner/name``;
                default: what ``$FACEINPAINT_WEIGHTS`` names.
            method: a trained method's name: two-stage, structure, pconv and so on.
            device: torch device, such as cpu, cuda:1 or mps (Apple's); default CUDA when there is one.
            precision: "fp32", "bf16", "fp16", or "auto": bf16 where the device computes in it.

        Raises :class:`InputError` when the method is unknown, there is no such device, or weights are missing, damaged
        or of another shape.
        """
        if method not in METHODS:
            raise InputError(f"unknown method {method!r}: choose one of {', '.join(METHODS)}")
        chosen = choose_device(device)
        folder = find_weights(weights)
        config = load_config(folder)
        model, digest = _load_model(folder, method, config)
        return cls(model, config, digest, chosen, precision)

    @torch.inference_mode()
    def restore_batch(self, images: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Restore pictures of the model's size.

        images uint8 (N, S, S, 3); masks uint8 (N, S, S), 1 in the hole -> uint8 (N, S, S, 3), equal to the images
        outside the hole.
        """
        return self._restored(images, masks, None, None)

    @torch.inference_mode()
    def restore_and_tell(self, images: np.ndarray, masks: np.ndarray, count: int = 0) -> Restored:
        """:meth:`restore_batch`, and what the model tells of it: its own error, and the ``count`` places where the
        finest attention of stage 2 looked most, for methods that have them."""
        attention: Attention = {}
        drawn: list[Drawn] = []
        pictures = self._restored(images, masks, attention if count else None, drawn)
        errors = self._own_errors(drawn[0]) if drawn else np.full(len(images), np.nan, np.float32)
        if not attention:
            return Restored(pictures, None, errors)
        holes, scores = max(attention.values(), key=lambda each: each[0].shape[1])
        weights, cells = scores.topk(min(count, scores.shape[2]), dim=2)
        return Restored(pictures, Sources(holes.cpu().numpy(), cells.cpu().numpy(), weights.cpu().numpy()), errors)

    def _own_errors(self, drawn: Drawn) -> np.ndarray:
        pictures, images, masks = (each.float().cpu().numpy().transpose(0, 2, 3, 1) for each in drawn)
        alignment = self.config.alignment
        own = [own_error(*each, alignment) for each in zip(pictures, images, masks[..., 0], strict=True)]
        return np.array(own, np.float32)

    def _restored(
        self, images: np.ndarray, masks: np.ndarray, attention: Attention | None, drawn: list[Drawn] | None
    ) -> np.ndarray:
        x = to_float(images).to(self.device, memory_format=self.memory_format)
        # The compared methods paint whole pictures; ours works where the holes are.
        where: dict[str, Any] = {}
        if isinstance(self.model, TwoStage):
            where = {"window": window_side(masks), "attention": attention, "drawn": drawn}
        with torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision != "fp32"):
            restored = self.model(x, mask_to_float(masks).to(self.device), **where)
        return np.where(masks[..., None] > 0, to_uint8(restored), images)

    def __call__(
        self,
        image: Picture,
        mask: Image.Image | np.ndarray,
        *,
        mask_polarity: Polarity | None = None,
        grow_holes: Grow = "auto",
    ) -> Picture:
        """Restore a photograph of any size.

        image: RGB, PIL or uint8 (H, W, 3); mask: of the same size, PIL of any mode or an array (H, W), read as bulk
        restoration reads masks (levels from 128 up, or the larger of two, are white). mask_polarity: white-is-hole,
        black-is-hole or auto; None: white is the hole, and a mask that seems inverted is refused. grow_holes: pixels,
        or auto: to soft edges and mixed pixels. Returns the kind and size that came in; outside the hole it is the
        input. Each hole is filled as in bulk restoration (docs/restoration.md); where it lies on no face, the model
        sees its surroundings.

        Raises :class:`InputError` when the sizes differ, the image is not RGB, or the mask has no usable hole.
        """
        if isinstance(image, Image.Image) and image.mode != "RGB":  # of LAB, HSV and YCbCr the bands look like RGB's
            raise InputError(f"the image is of mode {image.mode}: convert it to RGB, or use restore_photograph")
        pixels = check_rgb(np.asarray(image))
        hole = hole_of_mask(mask, pixels, Reading(polarity=mask_polarity, grow=grow_holes)).pixels
        result = self._photograph(pixels, hole)
        return Image.fromarray(result) if isinstance(image, Image.Image) else result

    def _photograph(self, pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
        """A picture uint8 (H, W, 3) of any size with its hole uint8 (H, W) filled at its own resolution."""
        plan = plan_for(pixels, hole, route(pixels, hole, self.image_size, self.config.alignment))
        if plan.crops is None or plan.holes is None:
            return compose(pixels, hole, plan)
        painted, sources, _ = self.restore_and_tell(plan.crops, plan.holes, SOURCES)
        guides = sources and [guide_from_attention(*each, self.image_size) for each in zip(*sources, strict=True)]
        return compose(pixels, hole, plan.with_twins(painted, self.config.alignment), painted, guides)


def _load_model(weights: str, method: Method, config: Config) -> tuple[nn.Module, str]:
    """A method's network and the hash of its files."""
    stage = METHODS[method]
    kind = STAGES[stage].kind
    if kind == "generator":
        generator = build.build_generator(config)
        return LatentOptimisation(generator), load_weights(weights, stage, generator)
    if kind == "compared":
        return _filled(lambda: build.build_network(config, stage), weights, stage)
    recipe = config.texture_for(stage) if kind == "texture" else None
    structure = texture = None
    hashes = []
    if recipe is None or recipe.structure:
        structure, digest = _filled(lambda: build.build_structure(config), weights, "structure")
        hashes.append(digest)
    if recipe is not None:
        texture, digest = _filled(lambda: build.build_texture(recipe), weights, stage)
        hashes.append(digest)
    return TwoStage(structure, texture, config.match_paste), "+".join(hashes)


def _filled(make: Callable[[], Network], weights: str, name: str) -> tuple[Network, str]:
    """A network of the weights of ``name``, and their hash. No parameter is drawn at random before."""
    with unfilled():
        network = make()
    return network, load_weights(weights, name, network, assign=True)
