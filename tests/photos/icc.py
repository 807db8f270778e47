"""Small colour profiles for tests: a press with impure inks, and an RGB of another gamma and primaries."""

import struct

import numpy as np
from skimage.color import rgb2lab

GRID = 9
INKS = np.array([[0, 150, 225], [220, 20, 120], [250, 230, 20], [35, 30, 32]]) / 255  # what each lets through


def printed(inks):
    """The press: (..., 4) of 0 to 1 -> sRGB (..., 3) of 0 to 1."""
    light = 1 - inks[..., None] * (1 - INKS)
    return light.prod(-2)


def _tag(kind, body):
    return kind + bytes(4) + body


def _lut(table, inputs, outputs):
    ramp = bytes(range(256))
    matrix = b"".join(struct.pack(">i", 65536 if i % 4 == 0 else 0) for i in range(9))
    head = struct.pack(">BBBx", inputs, outputs, GRID)
    return _tag(b"mft1", head + matrix + ramp * inputs + table.astype(np.uint8).tobytes() + ramp * outputs)


def _profile(device, space, tags):
    place, table, bodies = 132 + 12 * len(tags), b"", b""
    for name, body in tags.items():
        table += name + struct.pack(">II", place + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    size = place + len(bodies)
    head = struct.pack(">I4sI4s4s4s12x4s", size, b"lcms", 0x02400000, device, space, b"Lab ", b"acsp")
    head = head.ljust(68, b"\0") + struct.pack(">iii", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + bodies


def _text(text):
    body = struct.pack(">I", len(text) + 1) + text.encode() + bytes(1)
    return _tag(b"desc", body + bytes(4 + 4 + 2 + 1 + 67))


def press_profile():
    """A CMYK profile whose own way back uses no black at all."""
    steps = np.linspace(0, 1, GRID)
    inks = np.stack(np.meshgrid(*[steps] * 4, indexing="ij"), -1)
    lab = rgb2lab(printed(inks).reshape(1, -1, 3), illuminant="D50").reshape(-1, 3)
    there = np.stack([lab[:, 0] * 2.55, lab[:, 1] + 128, lab[:, 2] + 128], -1).round().clip(0, 255)
    levels = np.stack(np.meshgrid(*[steps] * 3, indexing="ij"), -1).reshape(-1, 3)
    back = np.concatenate([np.repeat(255 * (1 - levels[:, :1]), 3, 1), np.zeros((len(levels), 1))], -1)
    white = _tag(b"XYZ ", struct.pack(">iii", 63190, 65536, 54061))
    tags = {b"desc": _text("test press"), b"wtpt": white, b"A2B0": _lut(there, 4, 3), b"B2A0": _lut(back, 3, 4)}
    return _profile(b"prtr", b"CMYK", tags)
