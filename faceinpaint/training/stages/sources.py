"""Where a stage's networks find the weights that they start with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from faceinpaint.config import Config
from faceinpaint.models import build
from faceinpaint.models.grow import grow
from faceinpaint.models.state_dict import load_exactly
from faceinpaint.models.structure import StructureReconstructor
from faceinpaint.models.stylegan2 import StyleGAN2Generator
from faceinpaint.models.weights import has_weights, load_weights, read_weights
from faceinpaint.stages import Stage

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Weights folders to look in, in order.

    begin: the stage whose weights the trained network starts with, mostly its own. may_grow: theirs may be smaller.
    """

    folders: tuple[str, ...]
    begin: Stage
    may_grow: bool = False

    def fill(self, name: Stage, module: nn.Module) -> bool:
        """Fill a module from the first folder that has ``name.safetensors``; False when none has."""
        for folder in self.folders:
            if has_weights(folder, name):
                if self.may_grow:
                    tensors, _ = read_weights(folder, name)
                    module.load_state_dict(grow(tensors, module, f"{folder}/{name}.safetensors").state)
                else:
                    load_weights(folder, name, module)
                return True
        return False

    def network(self, stage: Stage, config: Config, kind: type[Network]) -> Network:
        """The network of a stage, which is of class ``kind``, with the weights of the first folder that has them."""
        network = build.build_network(config, stage)
        assert isinstance(network, kind)
        self.fill(stage, network)
        return network

    def structure(self, config: Config) -> StructureReconstructor:
        """The first stage: trained, or a public pSp checkpoint, or a fresh encoder over a trained generator.

        Raises :class:`InputError` when a file does not fit the configuration.
        """
        structure, mean = build.build_structure(config), None
        if self.fill("structure", structure):
            return structure
        if path := config.pretrained.structure:
            public = StructureReconstructor.from_psp_checkpoint(path, image_size=config.image_size)
            load_exactly(structure, public.state_dict(), path)
            return structure
        if path := config.pretrained.generator:
            generator = StyleGAN2Generator.from_checkpoint(path)
            load_exactly(structure.decoder, generator.state_dict(), path)
            mean = generator.latent_avg
        else:
            self.fill("generator", structure.decoder)
        structure.latent_avg.copy_(structure.decoder.mean_latent() if mean is None else mean)
        return structure
