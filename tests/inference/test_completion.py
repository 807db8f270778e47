"""Proposed parts completed by their colour."""

import numpy as np
import pytest

from faceinpaint.inference.completion import completed
from faceinpaint.inference.proposal import propose


@pytest.fixture
def picture():
    """Noise with a white stroke of 20 x 60 pixels."""
    picture = np.random.default_rng(0).integers(0, 200, (80, 120, 3), np.uint8)
    picture[30:50, 30:90] = np.random.default_rng(1).integers(247, 256, (20, 60, 3))
    return picture


def labels_of(shape, *parts):
    labels = np.zeros(shape[:2], np.int32)
    for number, place in enumerate(parts, 1):
        labels[place] = number
    return labels


RIM = np.s_[30:50, 30:46]


def test_a_flat_part_becomes_the_whole_stroke(picture):
    labels = labels_of(picture.shape, RIM)
    stroke = np.zeros(labels.shape, bool)
    stroke[30:50, 30:90] = True
    assert np.array_equal(completed(picture, labels, np.array([1])), stroke)


def test_only_chosen_parts_are_completed(picture):
    labels = labels_of(picture.shape, np.s_[0:5, 0:5], RIM)
    assert np.array_equal(completed(picture, labels, np.array([1])), labels == 1)
    both = completed(picture, labels, np.array([1, 2]))
    assert both.sum() == 25 + 20 * 60


def test_a_part_of_many_colours_stays_as_it_is(picture):
    labels = labels_of(picture.shape, np.s_[0:20, 0:20])
    assert np.array_equal(completed(picture, labels, np.array([1])), labels == 1)


def test_a_part_of_the_pictures_own_colour_does_not_run_over_the_picture(picture):
    picture[:] = 250
    labels = labels_of(picture.shape, np.s_[30:40, 30:40])
    assert np.array_equal(completed(picture, labels, np.array([1])), labels == 1)


def test_a_proposal_is_completed_where_the_picture_is_given(picture):
    probability = np.full(picture.shape[:2], 0.01, np.float32)
    probability[RIM] = 0.9999
    without, with_it = propose(probability).hole, propose(probability, picture=picture).hole
    assert without.sum() < 450
    assert with_it[30:50, 30:90].all()
    assert with_it.sum() < 22 * 62
