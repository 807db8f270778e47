"""Mask pictures of every mode mean the same hole; those that cannot be meant are refused with the reason."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.data import astronaut

from faceinpaint.data.marked_holes import Reading, hole_of_mask
from faceinpaint.data.mask_pictures import decode_mask, mask_of
from faceinpaint.data.user_masks import user_hole, user_holes
from faceinpaint.errors import InputError
from faceinpaint.images import stored
from tests.encoded import encoded

HOLE = np.zeros((20, 30), np.uint8)
HOLE[4:9, 5:12] = 1


def in_mode(mode: str) -> bytes:
    white = Image.fromarray(HOLE * 255)
    if mode == "I;16":
        return encoded(Image.fromarray(HOLE.astype(np.uint16) * 65535))
    if mode == "painted":  # opaque white strokes on nothing
        return encoded(Image.merge("LA", [Image.new("L", white.size, 255), white]))
    return encoded(white.convert(mode), "TIFF" if mode == "CMYK" else "PNG")


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "painted"])
def test_all_modes_mean_the_same(mode):
    assert np.array_equal(user_hole(decode_mask(in_mode(mode)), "white-is-hole", 20, 30), HOLE)


def test_jpeg_noise_and_soft_edges_are_thresholded():
    data = encoded(Image.fromarray(np.kron(HOLE, np.ones((8, 8), np.uint8)) * 255), "JPEG")
    assert np.array_equal(user_hole(decode_mask(data), "white-is-hole", 160, 240), np.kron(HOLE, np.ones((8, 8))))


@given(st.integers(1, 190), st.randoms(use_true_random=False))
def test_polarity_round_trip(count, random):
    """Inverting picture and polarity together changes nothing; "auto" finds either."""
    flat = [1] * count + [0] * (600 - count)
    random.shuffle(flat)
    hole = np.array(flat, np.uint8).reshape(20, 30)
    for polarity, levels in (("white-is-hole", hole * 255), ("black-is-hole", 255 - hole * 255)):
        assert np.array_equal(user_hole(levels, polarity, 20, 30), hole)
        assert np.array_equal(user_hole(levels, "auto", 20, 30), hole)


def test_sizes_within_tolerance_are_scaled():
    assert user_hole(HOLE * 255, "white-is-hole", 22, 28).shape == (22, 28)
    with pytest.raises(InputError, match="the mask is 30x20, the picture 30x23"):
        user_hole(HOLE * 255, "white-is-hole", 23, 30)


@pytest.mark.parametrize(
    ("levels", "polarity", "reason"),
    [
        (HOLE * 0, "white-is-hole", "empty mask"),
        (HOLE * 0 + 255, "white-is-hole", "total mask"),
        (HOLE * 0, "auto", "empty mask"),
        (255 - HOLE * 255, None, "likely inverted mask: 94%.*state the mask polarity"),
        (255 - HOLE * 255, "white-is-hole", "likely inverted mask: 94%.*stated polarity"),
        (HOLE * 255, "black-is-hole", "likely inverted mask: 94%.*stated polarity"),
        (HOLE * 0 + 100, "white-is-hole", "100% grey"),
        (np.tile(np.uint8([0, 255]), (20, 15)), "auto", "50% white: too even"),
    ],
)
def test_the_guard_gives_its_reason(levels, polarity, reason):
    with pytest.raises(InputError, match=reason):
        user_hole(levels, polarity, 20, 30)


def test_a_frame_of_hole_is_taken_for_an_inversion_and_a_large_hole_within_is_not():
    frame = np.ones((20, 20), np.uint8)
    frame[3:16, 3:16] = 0
    within = np.zeros((20, 20), np.uint8)
    within[2:18, 2:18] = 1
    assert within.mean() > frame.mean() > 0.5
    assert np.array_equal(user_hole(within * 255, None, 20, 20), within)
    with pytest.raises(InputError, match="likely inverted"):
        user_hole(frame * 255, None, 20, 20)


@pytest.mark.parametrize("polarity", ["white-is-hole", "black-is-hole"])
def test_a_stated_polarity_is_believed_up_to_nine_tenths(polarity):
    hole = np.ones((20, 20), np.uint8)
    hole[5:15, 7:13] = 0
    assert hole.mean() == 0.85
    levels = (hole if polarity == "white-is-hole" else 1 - hole) * 255
    assert np.array_equal(user_hole(levels, polarity, 20, 20), hole)


def test_no_picture_is_no_mask():
    with pytest.raises(InputError, match="not a picture of a known format"):
        decode_mask(b"text")


def painted(mark, ground):
    return np.where(HOLE[..., None] > 0, np.uint8(mark), np.uint8(ground))


def palette_where_index_0_is_white():
    image = Image.fromarray(1 - HOLE)
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


def palette_without_colours():
    """As Pillow writes an array of mode P: its palette has one entry, and that is black."""
    image = Image.fromarray(HOLE)
    image.putpalette([0, 0, 0])
    return image


KINDS = {
    "0 and 1": Image.fromarray(HOLE),
    "0 and 7": Image.fromarray(HOLE * 7),
    "0 and 1 of 16 bits": Image.fromarray(HOLE.astype(np.uint16)),
    "red on black": Image.fromarray(painted((255, 0, 0), 0)),
    "dark red on black": Image.fromarray(painted((128, 0, 0), 0)),
    "blue on white": Image.fromarray(painted((0, 0, 255), 255)),
    "black on clear": Image.fromarray(np.dstack([painted(0, 0), HOLE * 255])),
    "white on clear": Image.fromarray(np.dstack([painted(255, 255), HOLE * 255])),
    "a palette": palette_where_index_0_is_white(),
    "numbers without a palette": palette_without_colours(),
    "a coloured palette": Image.fromarray(painted((0, 200, 0), 0)).quantize(4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_person_understands_is_understood_from_files_and_in_memory(kind):
    image = KINDS[kind]
    for mask in (decode_mask(encoded(image)), mask_of(image)):
        assert np.array_equal(user_hole(mask, "white-is-hole", 20, 30), HOLE)


@pytest.mark.parametrize(
    "array", [HOLE > 0, HOLE, HOLE * 255, HOLE.astype(float), HOLE[..., None] * 255, HOLE * 65535.0]
)
def test_arrays_of_every_type_mean_the_same(array):
    assert np.array_equal(user_hole(mask_of(array), "white-is-hole", 20, 30), HOLE)


def test_what_cannot_be_told_says_what_was_seen():
    halves = np.where(np.arange(30)[None, :, None] < 8, painted((255, 0, 0), 0), painted((0, 255, 0), 0))
    with pytest.raises(InputError, match=r"several colours, such as #(FF0000 and #00FF00|00FF00 and #FF0000)"):
        decode_mask(encoded(Image.fromarray(halves)))
    two = np.zeros((20, 30, 3), np.uint8)  # as much of one as of the other: their middle is neither
    two[5:10, 5:10], two[5:10, 20:25] = (255, 0, 0), (0, 0, 255)
    with pytest.raises(InputError, match=r"several colours, such as #(FF0000 and #0000FF|0000FF and #FF0000)"):
        decode_mask(encoded(Image.fromarray(two)))
    classes = HOLE.copy()
    classes[0, 0] = 2
    with pytest.raises(InputError, match=r"empty mask.*levels 0 to 2, 3 different"):
        user_hole(classes, "white-is-hole", 20, 30)
    with pytest.raises(InputError, match="transparent all over"):
        decode_mask(encoded(Image.fromarray(np.zeros((20, 30, 4), np.uint8))))


def test_partly_marked_pixels_belong_to_the_hole_where_that_is_asked_for():
    soft = np.zeros((60, 60), np.uint8)
    ramp = np.clip((20 - np.hypot(*np.mgrid[-30:30, -30:30])) / 8, 0, 1)
    soft[:] = np.floor(ramp * 255)
    alone = soft.copy()
    alone[2, 2] = 20  # hangs together with nothing
    assert np.array_equal(user_hole(alone, "white-is-hole", 60, 60), soft >= 128)
    assert np.array_equal(user_hole(alone, "white-is-hole", 60, 60, soft=True), soft >= 3)
    noisy = np.maximum(soft, np.random.default_rng(0).integers(0, 9, soft.shape).astype(np.uint8))
    assert user_hole(noisy, "white-is-hole", 60, 60, soft=True).sum() <= (soft >= 3).sum()


def test_a_jpeg_mask_is_no_larger_than_it_was():
    big = np.kron(HOLE, np.ones((9, 9), np.uint8))
    mask = decode_mask(encoded(Image.fromarray(big * 255), "JPEG"))
    assert np.array_equal(user_hole(mask, "white-is-hole", 180, 270, soft=True), big)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_lie_as_they_are_stored_or_as_they_are_shown(orientation):
    """A photograph of 30 x 20 pixels as it is shown; its file holds it turned by its tag."""
    on_stored = np.ascontiguousarray(stored(HOLE, orientation)) * 255
    read = {"orientation": orientation}
    assert np.array_equal(user_holes(on_stored, "white-is-hole", 20, 30, frame="stored", **read)[0], HOLE)
    assert np.array_equal(user_holes(HOLE * 255, "white-is-hole", 20, 30, frame="upright", **read)[0], HOLE)
    assert np.array_equal(user_holes(HOLE * 255, "white-is-hole", 20, 30, **read)[0], HOLE)
    if orientation >= 5:  # told apart by size
        assert np.array_equal(user_holes(on_stored, "white-is-hole", 20, 30, **read)[0], HOLE)
        with pytest.raises(InputError, match="the mask is 20x30, the picture 30x20"):
            user_holes(on_stored, "white-is-hole", 20, 30, frame="upright", **read)


def test_a_mask_with_a_tag_of_its_own_lies_as_it_says():
    sink, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(stored(HOLE, 6)) * 255).save(sink, "PNG", exif=exif)
    assert np.array_equal(user_holes(decode_mask(sink.getvalue()), "white-is-hole", 20, 30, orientation=3)[0], HOLE)


def test_a_mask_in_memory_lies_as_its_picture_does():
    sink, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(HOLE * 255).save(sink, "PNG", exif=exif)
    assert np.array_equal(hole_of_mask(Image.open(sink), np.zeros((20, 30, 3), np.uint8), Reading()).pixels, HOLE)


@pytest.mark.parametrize("polarity", ["white-is-hole", "black-is-hole", "auto"])
@pytest.mark.parametrize("kind", ["colours", "greys", "colours, black where erased"])
def test_a_mask_that_is_the_photograph_with_the_damage_erased_marks_what_was_erased(kind, polarity):
    photograph = astronaut()[:200:10, 60:360:10]
    if kind == "greys":
        photograph = np.repeat(photograph[..., 1:2], 3, 2)
    if kind.endswith("erased"):
        photograph = photograph * (1 - HOLE[..., None])
    for mode in ("RGBA", "LA") if kind == "greys" else ("RGBA",):
        erased = Image.fromarray(np.dstack([photograph, 255 - HOLE * 255])).convert(mode)
        for mask in (decode_mask(encoded(erased)), mask_of(erased)):
            assert np.array_equal(user_hole(mask, polarity, 20, 30), HOLE)


def test_strokes_of_two_colours_on_nothing_are_no_photograph():
    strokes = np.zeros((20, 30, 4), np.uint8)
    strokes[:9], strokes[9:16] = (200, 60, 60, 255), (60, 60, 200, 255)
    with pytest.raises(InputError, match="several colours"):
        decode_mask(encoded(Image.fromarray(strokes)))


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP"])
def test_a_file_of_several_masks_is_refused_and_previews_are_none(kind):
    """A scan of two pages was repainted on both by the mask of the first."""
    first = Image.fromarray(np.pad(np.full((10, 10), 255, np.uint8), ((5, 35), (20, 20))))
    sink = io.BytesIO()
    first.save(sink, kind, save_all=True, append_images=[first.rotate(90), first.transpose(0)])
    with pytest.raises(InputError, match=r"the mask file holds [23] pictures: save the one that is meant by itself"):
        decode_mask(sink.getvalue())
    sink = io.BytesIO()
    first.save(sink, "TIFF", save_all=True, append_images=[first.resize((20, 20))])
    assert np.array_equal(decode_mask(sink.getvalue()).levels, np.asarray(first))
