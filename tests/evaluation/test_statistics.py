"""Merged sums give the means and intervals of the whole."""

import numpy as np
import pytest

from faceinpaint.evaluation.statistics import EXACT_DB, METRICS, Statistics, estimate, paired

N = 300
KEYS = [f"face{i}.png" for i in range(N)]


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """(N, 2 methods, metrics): the second method is the first plus 0.1 and a little noise."""
    random = np.random.default_rng(0)
    first = random.normal(30, 2, (N, 1, len(METRICS)))
    return np.concatenate([first, first + 0.1 + random.normal(0, 0.01, first.shape)], axis=1)


def test_merging_equals_the_whole(values):
    ratios = np.linspace(0.01, 1, N)
    whole = Statistics.of(KEYS, ratios, values)
    parts = [Statistics.of(KEYS[i : i + 77], ratios[i : i + 77], values[i : i + 77]) for i in range(0, N, 77)]
    merged = sum(parts[1:], parts[0])
    np.testing.assert_allclose(merged.sums, whole.sums, rtol=1e-12)
    np.testing.assert_allclose(whole.means()[0], values.mean(axis=0), rtol=1e-12)
    assert whole.n() == N == sum(whole.n(band) for band in range(7))


def test_interval_is_the_normal_one_for_many_pictures(values):
    low, high = estimate(Statistics.of(KEYS, np.full(N, 0.2), values).means()[:, 0, 0])["ci95"]
    expected = 1.96 * values[:, 0, 0].std() / np.sqrt(N)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.15)


def test_intervals_are_those_of_a_plain_percentile_bootstrap(values):
    """On skewed figures, and on the difference of two methods over the same pictures."""
    skewed = np.exp(values / 10)
    means = Statistics.of(KEYS, np.full(N, 0.2), skewed).means()
    drawn = np.random.default_rng(1).integers(0, N, (4000, N))
    for ours, pictures in (
        (estimate(means[:, 0, 0]), skewed[:, 0, 0]),
        (paired(means, 1, 0)["psnr"], skewed[:, 1, 0] - skewed[:, 0, 0]),
    ):
        low, high = np.percentile(pictures[drawn].mean(axis=1), [2.5, 97.5])
        assert ours["mean"] == pytest.approx(pictures.mean())
        assert ours["ci95"] == pytest.approx([low, high], abs=0.1 * (high - low))


def test_a_small_paired_gain_is_seen(values):
    means = Statistics.of(KEYS, np.full(N, 0.2), values).means()
    assert estimate(means[:, 0, 0])["ci95"][1] > means[0, 1, 0]  # the two intervals overlap widely
    gain = paired(means, 1, 0)
    assert gain["psnr"]["better"] is True
    assert gain["lpips"]["better"] is False  # there, lower is better
    assert gain["psnr"]["mean"] == pytest.approx(0.1, abs=0.005)


def test_band_edges_belong_below():
    statistics = Statistics.of(["a", "b", "c"], np.array([0.1, 0.1001, 1.0]), np.ones((3, 1, len(METRICS))))
    assert [statistics.n(band) for band in range(7)] == [1, 1, 0, 0, 0, 0, 1]


def test_an_exact_picture_counts_finitely():
    values = np.full((2, 1, len(METRICS)), 20.0)
    values[0, 0, 0] = np.inf
    assert Statistics.of(["a", "b"], np.array([0.2, 0.2]), values).means()[0, 0, 0] == (EXACT_DB + 20) / 2
