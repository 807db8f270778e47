"""Semantic inpainting by a generator (Yeh 2017): look for the latent whose face agrees with what is known."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from faceinpaint.models.baselines.classical.common import around_hole, evenly_diffused
from faceinpaint.models.stylegan2 import StyleGAN2Generator
from faceinpaint.tensors import composite

STEPS = 30  # of Adam
RATE = 0.1  # its learning rate, in deviations of W
WINDOW = 15  # side of the neighbourhood of the context weights, pixels (the paper: 7)
PRIOR = 0.05  # weight of the prior loss
FACES = 4096  # random latents that W's mean and deviation are taken from


class LatentOptimisation(nn.Module):
    """Restores with a generator alone: nothing is trained for holes.

    It minimises L_c + PRIOR L_p over one W+ per picture (Yeh 2017, section 3). Context loss: L_c = sum_i W_i
    |G(w)_i - y_i| / sum_i W_i over known pixels i, where W_i is the share of hole among the pixels around i: what
    is near the hole counts most. Prior loss: the paper asks a discriminator how real G(z) is. Weights folders hold
    none, so L_p is the mean square of (w - mean of W) / deviation of W: likely faces lie near the mean. The found face
    then meets the picture by Poisson blending.
    """

    def __init__(self, generator: StyleGAN2Generator, steps: int = STEPS):
        super().__init__()
        self.generator, self.steps = generator, steps

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [-1, 1], masks (N, 1, S, S) with 1 in the hole -> restored pictures alike.

        Each picture's result depends on that picture alone.
        """
        with torch.inference_mode(False), torch.enable_grad():  # the search needs gradients, whoever calls
            faces = self.find_faces(images.clone(), masks.clone())
        faces = F.interpolate(faces, images.shape[-2:], mode="bilinear", antialias=True)
        filled = [blend(*each) for each in zip(faces, images, masks, strict=True)]
        return composite(torch.stack(filled).to(images), images, masks)

    def find_faces(self, images: Tensor, masks: Tensor) -> Tensor:
        """Faces (N, 3, s, s) that agree most with the images around the holes; s is at most the generator's size."""
        generator, ratio = self.generator, max(1, images.shape[-1] // self.generator.size)
        truth, holes = F.avg_pool2d(images, ratio), F.max_pool2d(masks, ratio)
        weights = context_weights(holes)
        with torch.no_grad():
            seed = torch.Generator().manual_seed(0)
            latents = generator.map(torch.randn(FACES, generator.style_dim, generator=seed).to(images.device))
            mean, deviation = latents.mean(0), latents.std(0)
        offset = torch.zeros(len(images), generator.n_styles, generator.style_dim, device=images.device)
        optimizer = torch.optim.Adam([offset.requires_grad_()], RATE)
        for _ in range(self.steps):
            face = self._face(mean + deviation * offset, truth.shape[-1])
            context = ((face - truth).abs() * weights).sum((1, 2, 3)) / (3 * weights.sum((1, 2, 3)).clamp(min=1e-6))
            loss = (context + PRIOR * offset.square().mean((1, 2))).sum()
            (offset.grad,) = torch.autograd.grad(loss, [offset])
            optimizer.step()
        with torch.no_grad():
            return self._face(mean + deviation * offset, truth.shape[-1])

    def _face(self, w_plus: Tensor, side: int) -> Tensor:
        face = self.generator.synthesize(w_plus, noise="const").float()
        return F.avg_pool2d(face, face.shape[-1] // side)


def context_weights(holes: Tensor) -> Tensor:
    """W of the context loss: the share of hole among the neighbours of each known pixel, 0 in the hole.

    holes (N, 1, S, S), 1 in the hole -> alike, in [0, 1].
    """
    return F.avg_pool2d(holes, WINDOW, 1, WINDOW // 2, count_include_pad=False) * (1 - holes)


def blend(face: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """The image (3, S, S) with the face's slopes in its hole (1, S, S), by Poisson's equation; on the CPU."""
    rows, columns = around_hole(mask[0].cpu().numpy(), margin=1)
    hole = mask[0, rows, columns].cpu().numpy() > 0
    source, target = (np.array(each[:, rows, columns].cpu().permute(1, 2, 0), np.float64) for each in (face, image))
    filled = image.cpu().clone()
    if hole.all():
        filled[:, rows, columns] = face.cpu()[:, rows, columns].to(filled)
        return filled
    target[hole] = evenly_diffused(target, hole, (np.diff(source, axis=1), np.diff(source, axis=0)))
    filled[:, rows, columns] = torch.from_numpy(target).permute(2, 0, 1).to(filled)
    return filled.clamp(-1, 1)
