"""ArcFace (Deng 2019): IR-SE50 face recogniser, with the key names of the public ``model_ir_se50.pth``."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.models.irse import IR_SE_50, WIDTHS, residual_body, stem
from faceinpaint.models.state_dict import load_exactly, read_checkpoint, unfilled

SIZE, DIM = 112, 512  # side of the faces it takes, width of the vectors it gives


class ArcFace(nn.Module):
    """Frozen recogniser of aligned faces."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = stem(WIDTHS[0])
        self.body = residual_body(IR_SE_50, WIDTHS)
        side = SIZE // 16
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(WIDTHS[3]),
            nn.Dropout(),  # holds the index; never active, as the network stays in eval mode
            nn.Flatten(),
            nn.Linear(WIDTHS[3] * side * side, DIM),
            nn.BatchNorm1d(DIM),
        )
        self.requires_grad_(False).eval()

    @classmethod
    def from_checkpoint(cls, path: str | Path) -> ArcFace:
        """Read ``model_ir_se50.pth`` (or its safetensors). Raises :class:`InputError`, listing keys that do not fit."""
        with unfilled():
            model = cls()
        load_exactly(model, read_checkpoint(path), path)
        return model.requires_grad_(False).eval()

    def embed(self, images: Tensor) -> Tensor:
        """Aligned RGB faces (N, 3, 112, 112) in [-1, 1] -> unit vectors (N, 512)."""
        assert images.shape[1:] == (3, SIZE, SIZE), images.shape
        return F.normalize(self.output_layer(self.body(self.input_layer(images))).float())
