"""Identity loss: is it still the same person? (the paper, section 3.2: L_ID = 1 - <R(I_gt), R(I_r)>)"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceinpaint.models.arcface import SIZE, ArcFace
from faceinpaint.models.sface import SFace
from faceinpaint.names import Alignment

Box = tuple[float, float, float]  # left, top, side of the face, as shares of the picture's side
Points = tuple[tuple[float, float], ...]

# Where recognisers want the eyes, the nose and the corners of the mouth in a face of 112 px (Deng 2019).
TEMPLATE: Points = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
# Where they are in CelebA's aligned pictures of 178x218 px.
CELEBA: Points = ((69.5, 111.5), (108.0, 111.5), (89.0, 133.0), (73.0, 152.0), (105.0, 152.0))
CELEBA_CROP = (24.0, 56.0, 128.0)  # left, top, side of the crop models work on, in those pictures


def face_box(alignment: Alignment) -> Box:
    """Where the 112 px face lies within pictures of an alignment.

    ``celeba``: the crop (24, 56, 152, 184) of aligned CelebA at 178x218 (12, 28, 76, 92 at 89x109), by least squares
    over the five landmarks. ``ffhq``: FFHQ and CelebA-HQ; pSp's crop, rows 35:223 and columns 32:220 of 256.
    """
    if alignment == "ffhq":
        return 32 / 256, 35 / 256, 188 / 256
    left, top, side = CELEBA_CROP
    return fit_box(tuple(((x - left) / side, (y - top) / side) for x, y in CELEBA))


def fit_box(landmarks: Points) -> Box:
    """The upright square whose 112 px enlargement brings ``landmarks`` (shares of a side) nearest to the template."""
    source, target = torch.tensor(landmarks, dtype=torch.float64), torch.tensor(TEMPLATE, dtype=torch.float64)
    source_mean, target_mean = source.mean(0), target.mean(0)
    centred = source - source_mean
    scale = (centred * (target - target_mean)).sum() / centred.square().sum()
    left, top = (source_mean - target_mean / scale).tolist()
    return left, top, SIZE / scale.item()


def crop_face(images: Tensor, box: Box) -> Tensor:
    """Cut the face out of (N, 3, S, S) -> (N, 3, 112, 112): means over areas when shrinking (as pSp), else bilinear."""
    picture = images.shape[-1]
    left, top, side = (share * picture for share in box)
    if side >= SIZE:
        x, y, side = round(left), round(top), round(side)
        return F.adaptive_avg_pool2d(images[:, :, y : y + side, x : x + side], SIZE)
    # affine_grid counts from -1 at the left edge of the first pixel to 1 at the right edge of the last.
    scale = side / picture
    shift_x, shift_y = (2 * start / picture + scale - 1 for start in (left, top))
    theta = images.new_tensor([[scale, 0, shift_x], [0, scale, shift_y]], dtype=torch.float32)
    shape = [images.shape[0], images.shape[1], SIZE, SIZE]
    with torch.autocast(images.device.type, enabled=False):  # in bf16 the grid would be off by a pixel
        grid = F.affine_grid(theta.expand(images.shape[0], 2, 3), shape, align_corners=False)
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


class IdentityNetwork(nn.Module):
    """A frozen recogniser on the face inside the model's pictures; gradients flow to the pictures.

    Attributes: ``network``, "arcface-ir-se50" or "sface", to be printed next to every figure.
    """

    def __init__(self, network: str, recogniser: ArcFace | SFace, alignment: Alignment):
        super().__init__()
        self.network, self.recogniser = network, recogniser
        self.box = face_box(alignment)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> IdentityNetwork:
        """Stays in evaluation mode, whatever holds it."""
        return super().train(False)

    def embed(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, S, S) in [-1, 1] -> unit vectors (N, D)."""
        return self.recogniser.embed(crop_face(images, self.box))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """1 - cosine of pictures (N, 3, S, S) in [-1, 1] -> (N,) in [0, 2], 0 at equality."""
        return 1 - (self.embed(a) * self.embed(b)).sum(1)


def load_identity(arcface: str | None = None, alignment: Alignment = "ffhq") -> IdentityNetwork:
    """ArcFace from the file ``arcface`` (``model_ir_se50.pth``), else SFace, which ships in a package."""
    if arcface:
        return IdentityNetwork("arcface-ir-se50", ArcFace.from_checkpoint(arcface), alignment)
    return IdentityNetwork("sface", SFace(), alignment)
