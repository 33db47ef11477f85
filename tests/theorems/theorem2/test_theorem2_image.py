"""Theorem 2's example in other frames: affine images, lines, more inputs, more hidden units, images of images."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastminima as fm
from profiles import examples
from theorem2_cases import example, perturbed


@settings(max_examples=examples(25), deadline=None)
@given(
    case=st.sampled_from(
        [("tanh", "paper"), ("tanh", "bias"), ("elu", "paper"), ("quadratic", "bias"), ("sine", "paper")]
    ),
    n=st.integers(2, 4),
    width=st.integers(2, 4),
    scale=st.sampled_from([1.0, -0.3, 2.5, 7.0]),
    offset=st.sampled_from([0.0, 0.1, -40.0]),
    size=st.sampled_from([0.1, 1.0, 3.0]),
    far=st.sampled_from([0.0, 1.0, 20.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_images_are_certified_in_their_own_frame(case, n, width, scale, offset, size, far, seed):
    pair, rng = example(*case), np.random.default_rng(seed)
    A, shift = size * rng.normal(size=(n, 2)), far * rng.normal(size=n)
    assume(np.linalg.cond(A) < 100)
    image = pair.image(A, shift, scale, offset, width)
    X, y = image.data.X, image.data.y
    ulp = np.spacing(np.abs(A) + np.abs(shift)[:, None]).max(axis=1) * 4
    assert (np.abs(X[:2] - (A + shift[:, None]).T) <= ulp).all()
    exact = [[Fraction(v) for v in row] for row in X.tolist()]
    assert all(a + b == 2 * c for a, b, c in zip(*exact, strict=True))
    assert y.tolist() == [offset, offset, scale + offset]
    assert image.level == (Fraction(y[2]) - Fraction(y[0])) ** 2 / 3
    low, best = image.local_minimum, image.global_minimum
    assert low.width == best.width == width
    level = float(image.level)
    assert low.risk(image.data) == pytest.approx(level, rel=1e-6)
    assert best.risk(image.data) <= 1e-9 * level
    # the bound is the exact risk's, float64 evaluation adds its own
    assert image.excess <= 1e-9 * level
    assert image.radius > 0
    directions = rng.normal(size=(3000, width * (n + 2)))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    risks = fm.batched_risk(*perturbed(image, image.radius, directions), image.data, image.activation)
    assert risks.min() >= level * (1 - 1e-9)


@pytest.mark.parametrize("case", [("tanh", "paper"), ("quadratic", "bias")])
def test_images_of_images_are_images_of_the_original(case):
    pair = example(*case)
    first = pair.image([[2, 1], [0, 1], [1, 1]], [1, 0, 0], scale=0.5, offset=1, width=3)
    second = first.image([[1, 0, 1], [0, 2, 0]], [0, -1], scale=4, offset=3)
    assert second.local_minimum.width == 3
    assert second.data.X.tolist() == [[4, -1], [3, 1], [3.5, 0]]
    assert second.data.y.tolist() == [7, 7, 9]
    assert second.level == Fraction(4, 3)
    once = pair.image([[3, 2], [0, 2]], [1, -1], scale=2, offset=7, width=3)
    assert second.radius == once.radius > 0
    assert second.local_minimum == once.local_minimum
    assert second.local_minimum.risk(second.data) == pytest.approx(4 / 3, rel=1e-12)
    assert second.zero_risk < 1e-25
    assert second.global_minimum.risk(second.data) < 1e-25


@pytest.mark.parametrize("case", [("tanh", "paper"), ("elu", "bias"), ("cube", "bias")])
def test_a_line_is_an_image_too(case):
    # x = 1, -1, 0: three points of which one is the middle
    image = example(*case).image([[1, -1]])
    assert image.certified
    assert image.data.X.ravel().tolist() == [1, -1, 0]
    assert image.local_minimum.risk(image.data) == pytest.approx(1 / 3, rel=1e-12)
    assert image.zero_risk < 1e-27
    # |x|^2 + 1 <= 2 as before
    assert image.radius == pytest.approx(example(*case).radius, rel=1e-12)
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(20_000, 6))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    risks = fm.batched_risk(*perturbed(image, image.radius, directions), image.data, image.activation)
    assert risks.min() >= 1 / 3 - 1e-12 * (1 + risks.max())


def test_images_shrink_the_ball_as_derived():
    pair = example("tanh", "bias")
    # max |x|^2 + 1 = 2 as it was, targets twice as high: rho = 1
    assert pair.image().radius == pytest.approx(pair.radius, rel=1e-12)
    assert pair.image(scale=2.0).radius == pytest.approx(pair.radius, rel=1e-12)
    assert pair.image(scale=0.5).radius == pytest.approx(pair.radius / 2, rel=1e-12)
    assert pair.image(np.eye(2) * 3).radius == pytest.approx(pair.radius / math.sqrt(5), rel=1e-12)
    assert pair.image(width=5).radius == pytest.approx(pair.radius, rel=1e-12)
    assert pair.image(width=np.int64(5)).local_minimum == pair.image(width=5).local_minimum
    mixed = example("tanh", "paper")
    assert mixed.case == "mixed"
    assert 0 < mixed.image(width=3).radius < mixed.radius
    again = pair.image(np.eye(3)[:, :2])
    assert again.data.n_features == 3
    assert again.radius == pytest.approx(pair.radius, rel=1e-12)
