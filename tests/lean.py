"""The lean form of the method, as small as it can be: every field that differs from the paper, as faces256 sets it."""

from faceinpaint.config import Config
from faceinpaint.load_config import load_preset

LEAN = (
    "image_size=64",
    "texture.strides=[2, 4, 8, 8, 16, 16]",
    "texture.see_first=true",
    "texture.critic=stylegan2",
    "texture.critic_channels={4: 8, 8: 8, 16: 8, 32: 8, 64: 8}",
    "encoder.mask_input=true",
    "match_paste=true",
)
TOGETHER = (  # both stages in one leg, against a critic
    "train.texture.tune_structure=0.5",
    "texture_loss={perceptual: 0, l1: 0, hole: 10, lpips: 1, adversarial: 1, structure: 1, window: 32}",
    "structure_loss.identity=0",
    "gan.r1_every=2",
)


def lean(*changes: str) -> Config:
    """Preset tiny with a first stage at 32 px and a second one at 64 px behind a space-to-depth."""
    return load_preset("tiny", [*LEAN, *changes])
