"""Colour is understood: neutral and tinted pictures stay so, ranges, profiles and inks are those of the file."""

import io

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageCms

from faceinpaint.photos.colours import range_of
from faceinpaint.photos.profile import to_srgb
from faceinpaint.photos.view import view_of
from tests.photos.icc import press_profile

FACE = np.ascontiguousarray(skimage.data.astronaut()[:320, 60:380])
GREY = cv2.cvtColor(FACE, cv2.COLOR_RGB2GRAY)
HOLE = np.zeros((320, 320), np.uint8)
HOLE[118:150, 135:185] = 1
INSIDE = HOLE > 0
RNG = np.random.default_rng(3)


def damaged(samples, level):
    result = samples.copy()
    result[INSIDE] = level
    return result


def tint(*shares):
    """256 colours of one tint, dark to light."""
    return np.clip(np.arange(256)[:, None] * np.array(shares), 0, 255).astype(np.uint8)


def reread(samples, kind, **options):
    sink = io.BytesIO()
    Image.fromarray(samples).save(sink, kind, **options)
    return np.asarray(Image.open(io.BytesIO(sink.getvalue())))


@pytest.mark.parametrize("marker", [(255, 255, 255), (255, 0, 255)])
def test_a_picture_without_colour_stays_without(marker):
    neutral = np.repeat(GREY[..., None], 3, 2)
    for stored in (damaged(neutral, marker), reread(damaged(neutral, 255), "JPEG", quality=60)):
        view = view_of(stored, "RGB", None, HOLE)
        assert np.ptp(view.rgb[~INSIDE], axis=-1).max() == 0
        filled = view.filled(FACE, HOLE)  # a model that paints in colour
        assert np.ptp(filled[INSIDE], axis=-1).max() == 0
        assert np.abs(filled[INSIDE][:, 0].astype(int) - GREY[INSIDE]).max() <= 1
        assert np.array_equal(filled[~INSIDE], stored[~INSIDE])


@pytest.mark.parametrize("shares", [(1.05, 0.94, 0.73), (0.7, 0.85, 1.0)], ids=["sepia", "blueprint"])
def test_a_picture_of_one_tint_keeps_its_very_colours(shares):
    colours = tint(*shares)
    toned = damaged(colours[GREY], 255)
    view = view_of(toned, "RGB", None, HOLE)
    assert np.ptp(view.rgb, axis=-1).max() == 0  # the model sees greys
    filled = view.filled(FACE, HOLE)
    known = {tuple(colour) for colour in colours}
    assert all(tuple(colour) in known for colour in filled[INSIDE])


def test_a_tinted_scan_with_noise_stays_near_its_tint():
    colours = tint(1.05, 0.94, 0.73)
    noisy = np.clip(colours[GREY] + RNG.normal(0, 1.5, FACE.shape), 0, 255).astype(np.uint8)
    view = view_of(damaged(noisy, 255), "RGB", None, HOLE)
    filled = view.filled(FACE, HOLE)[INSIDE].astype(int)
    luma = cv2.cvtColor(filled[None].astype(np.uint8), cv2.COLOR_RGB2GRAY)[0]
    own = cv2.cvtColor(colours[None], cv2.COLOR_RGB2GRAY)[0]
    expected = colours[np.abs(luma[:, None].astype(int) - own).argmin(1)]
    assert np.abs(filled - expected).max() <= 4


def test_a_picture_of_colour_keeps_it():
    for picture in (FACE, skimage.data.chelsea()[:300, :320]):
        hole = HOLE[: picture.shape[0], : picture.shape[1]]
        view = view_of(picture, "RGB", None, hole)
        assert view.tones == []
        assert np.array_equal(view.filled(picture[::-1], hole)[hole > 0], picture[::-1][hole > 0])


def test_a_grey_photograph_on_a_coloured_page_stays_grey():
    page = np.full((900, 900, 3), (200, 60, 40), np.uint8)
    page[:, 600:] = RNG.integers(0, 256, (900, 300, 3), np.uint8)
    page[200:520, 100:420] = GREY[..., None]
    hole = np.zeros((900, 900), np.uint8)
    hole[320:350, 235:285] = 1
    filled = view_of(page, "RGB", None, hole).filled(RNG.integers(0, 256, page.shape, np.uint8), hole)
    assert np.ptp(filled[hole > 0], axis=-1).max() == 0


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("marker", [65535, None])
def test_bits_of_sixteen_bit_files_keep_their_range(bits, marker):
    most = 2**bits - 1
    stored = np.rint(FACE * (most / 255)).astype(np.uint16)
    stored = damaged(stored, most if marker is None else marker)
    view = view_of(stored, "RGB", None, HOLE)
    assert np.abs(view.rgb[~INSIDE].astype(int) - FACE[~INSIDE]).max() <= 1
    filled = view.filled(FACE, HOLE)
    assert np.array_equal(filled[INSIDE], np.rint(FACE[INSIDE] * (most / 255)).astype(np.uint16))
    assert np.array_equal(filled[~INSIDE], stored[~INSIDE])


@pytest.mark.parametrize(
    ("samples", "top"),
    [
        (GREY.astype(np.int32), 255),
        (GREY.astype(np.uint16) * 257, 65535),
        (GREY.astype(np.uint32) * 16843009, 2**32 - 1),
        (GREY / 255, 1),
        (GREY / 255 * 1.04, 1),
        (GREY / 255 - 0.02, 1),
        (GREY.astype(float), 255),
        (GREY.astype(np.float32) * 257, 65535),
    ],
)
def test_white_is_told_of_every_type(samples, top):
    assert range_of(samples[..., None]) == (0, top)
    seen = view_of(samples[..., None], "L", None).rgb
    assert np.abs(seen.mean() - GREY.mean()) < 6


def test_transparency_shows_a_white_page_and_is_kept():
    alpha = np.full((320, 320), 255, np.uint8)
    alpha[:60] = 0
    alpha[60:80] = 128
    stored = np.dstack([FACE, alpha])
    view = view_of(stored, "RGBA", None, HOLE)
    assert (view.rgb[:60] == 255).all()
    assert np.abs(view.rgb[70].astype(int) - (FACE[70].astype(int) + 255) / 2).max() <= 1
    assert np.array_equal(view.alpha, alpha)
    filled = view.filled(FACE[::-1], HOLE)
    assert np.array_equal(filled[..., 3], alpha)
    assert np.array_equal(
        view_of(stored, "RGBA", None).filled(FACE, HOLE, opaque=True)[INSIDE][:, 3], alpha[INSIDE] | 255
    )


def test_what_is_filled_under_half_transparency_looks_as_it_was_painted():
    stored = np.dstack([FACE, np.full((320, 320), 160, np.uint8)])
    view = view_of(stored, "RGBA", None, HOLE)
    wanted = view.rgb[::-1]
    again = view_of(view.filled(wanted, HOLE), "RGBA", None).rgb
    assert np.abs(again[INSIDE].astype(int) - wanted[INSIDE]).max() <= 1


def test_srgb_itself_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert to_srgb(srgb, "RGB") is None
    assert to_srgb(b"no profile", "RGB") is None
    assert to_srgb(srgb, "CMYK") is None
    assert np.array_equal(view_of(FACE, "RGB", srgb).rgb, FACE)


def gcr(rgb, black):
    """CMYK of a plain kind with a share of the grey as black."""
    key = (255 - rgb.max(-1, keepdims=True).astype(float)) * black
    colours = 255 * (1 - rgb / np.maximum(255 - key, 1))
    return np.concatenate([colours, key], -1).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("profile", [None, "press"])
@pytest.mark.parametrize("black", [0.0, 0.5, 0.9])
def test_new_inks_look_right_and_are_balanced_as_the_pictures_are(profile, black):
    data = press_profile() if profile else None
    inks = gcr(FACE, black)
    whole = view_of(inks, "CMYK", data).rgb
    if profile:
        plain = np.asarray(Image.fromarray(inks, "CMYK").convert("RGB"))
        assert np.abs(whole.astype(int) - plain).mean() > 5  # the profile has a say
    view = view_of(damaged(inks, 0), "CMYK", data, HOLE)
    filled = view.filled(whole, HOLE)
    seen = view_of(filled, "CMYK", data).rgb
    assert np.abs(seen[INSIDE].astype(int) - whole[INSIDE]).mean() < 1.5
    off = filled[INSIDE].astype(int) - inks[INSIDE]
    assert np.abs(off.mean(0)).max() < 6
    assert np.abs(off[:, 3]).mean() < 6  # as much black as there was
    assert np.array_equal(filled[~INSIDE], damaged(inks, 0)[~INSIDE])


def test_a_print_of_black_alone_gets_no_colour():
    inks = np.dstack([np.zeros((320, 320, 3), np.uint8), 255 - GREY])
    filled = view_of(damaged(inks, 0), "CMYK", press_profile(), HOLE).filled(FACE, HOLE)
    assert filled[INSIDE][:, :3].max() == 0
    assert filled[INSIDE][:, 3].std() > 5


def test_a_part_is_filled_as_the_whole_is():
    for stored, mode in ((damaged(tint(1.05, 0.94, 0.73)[GREY], 255), "RGB"), (gcr(FACE, 0.5), "CMYK")):
        view = view_of(stored, mode, None, HOLE)
        box = (100, 90, 230, 200)
        window = np.s_[90:200, 100:230]
        part = view.part(box)
        assert np.array_equal(part.rgb, view.rgb[window])
        whole = view.filled(FACE, HOLE)
        assert np.array_equal(part.filled(FACE[window], HOLE[window]), whole[window])


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 3.7), (-300.0, 1200.0), (4000.0, 5000.0)])
def test_other_floats_reach_from_the_darkest_to_the_brightest(low, high):
    samples = low + (GREY - GREY.min()) / np.ptp(GREY) * (high - low)
    samples[0, 0] = np.nan
    assert range_of(samples[..., None]) == pytest.approx((low, high))
    wanted = (GREY - GREY.min()) / np.ptp(GREY) * 255.0
    seen = view_of(samples[..., None], "L", None).rgb
    assert np.abs(seen - wanted[..., None])[1:].max() <= 0.51
