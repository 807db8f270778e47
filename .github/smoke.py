"""A photograph and its mask for a first restoration: python smoke.py PHOTOS MASKS."""

import sys
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

portrait = skimage.data.astronaut()  # NASA, public domain
mask = np.zeros(portrait.shape[:2], np.uint8)
mask[120:168, 200:252] = 255  # nose and mouth; white is the hole
for folder, pixels in zip(sys.argv[1:], (portrait, mask), strict=True):
    Path(folder).mkdir()
    Image.fromarray(pixels).save(Path(folder) / "portrait.png")
