"""How a picture looks apart from damage: its age before the damage, its scan after it.

Pictures are float32 (S, S, 3), levels 0-255.
"""

from __future__ import annotations

import cv2
import numpy as np

from faceinpaint.data.damage.draw import Random, between, chance, clouds, log_between

GREY = np.array([0.299, 0.587, 0.114], np.float32)


def aged(random: Random, picture: np.ndarray) -> np.ndarray:
    """Grey, sepia or faded colours, contrast, uneven light and the grain of the film."""
    tone = random.random()
    if tone < 0.45:
        picture = np.repeat((picture @ GREY)[..., None], 3, 2)
        if tone > 0.25:  # sepia and its cousins
            tint = [1 + between(random, 0, 0.12), 1 - between(random, 0, 0.05), 1 - between(random, 0, 0.35)]
            picture = picture * np.array(tint, np.float32)
    elif tone < 0.65:
        picture = picture * random.uniform(0.75, 1.15, 3).astype(np.float32)
    if chance(random, 0.5):
        low, high = between(random, -20, 70), between(random, 190, 280)
        gamma = log_between(random, 0.7, 1.4)
        picture = low + (high - low) * (np.clip(picture, 0, 255) / 255) ** np.float32(gamma)
    if chance(random, 0.3):
        picture = picture * (1 + clouds(random, len(picture), len(picture), 1)[..., None] * between(random, 0, 0.12))
    if chance(random, 0.5):
        picture = picture + _grain(random, len(picture), log_between(random, 1, 16))
    return np.clip(picture, 0, 255).astype(np.float32)


def scanned(random: Random, picture: np.ndarray) -> np.ndarray:
    """Blur or sharpening, noise, and JPEG: uint8 (S, S, 3)."""
    if chance(random, 0.35):
        picture = cv2.GaussianBlur(picture, (0, 0), log_between(random, 0.35, 1.3))
    if chance(random, 0.4):
        soft = cv2.GaussianBlur(picture, (0, 0), between(random, 0.8, 2.5))
        picture = picture + (picture - soft) * np.float32(between(random, 0.2, 1.5))
    if chance(random, 0.4):
        picture = picture + _grain(random, len(picture), log_between(random, 0.5, 8))
    levels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    if chance(random, 0.6):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(between(random, 50, 99))]
        levels = cv2.imdecode(cv2.imencode(".jpg", levels, quality)[1], cv2.IMREAD_COLOR)  # the channels' order stays
    return levels


def _grain(random: Random, size: int, strength: float) -> np.ndarray:
    """Noise float32 (S, S, 1) or (S, S, 3), of pixels or a little coarser, of the given deviation in levels."""
    noise = random.standard_normal((size, size, 1 if chance(random, 0.6) else 3), np.float32)
    if chance(random, 0.5):
        sigma = between(random, 0.4, 1.2)
        coarse = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma), np.float32).reshape(noise.shape)
        noise = coarse / max(1e-3, float(coarse.std()))
    return noise * np.float32(strength)
