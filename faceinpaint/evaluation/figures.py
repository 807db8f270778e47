"""What ``metrics.json`` holds, as types: each name that a figure can have, and what stands beside the figure."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

PictureMetric = Literal["psnr", "ssim", "l1", "hole_psnr", "hole_l1"]  # computed from pixels
Metric = Literal["psnr", "ssim", "l1", "lpips", "hole_psnr", "hole_l1", "identity"]  # of one picture
Figure = Literal["psnr", "ssim", "l1", "lpips", "hole_psnr", "hole_l1", "identity", "frechet"]  # of a method


class PictureMetrics(TypedDict):
    """The figures of one picture that need no network; see :mod:`faceinpaint.evaluation.metrics`."""

    psnr: float
    ssim: float
    l1: float
    hole_psnr: float
    hole_l1: float


class Estimate(TypedDict):
    """A mean over pictures, and its bootstrap 95% interval: two numbers."""

    mean: float
    ci95: list[float]


class Difference(Estimate):
    """One method minus another; ``better`` is None where the interval holds zero."""

    better: bool | None


class Lpips(Estimate):
    """``backbone``: what computed it, such as ``lpips-alex``."""

    backbone: str


class Identity(Estimate):
    """``network``: the face recogniser that computed it."""

    network: str


class Frechet(TypedDict):
    """Of a set of ``n`` pictures; ``note`` says where so few of them make it doubtful."""

    mean: float
    extractor: str
    n: int
    note: NotRequired[str]


class Estimates(TypedDict):
    """A method's figures on some pictures."""

    psnr: Estimate
    ssim: Estimate
    l1: Estimate
    lpips: Estimate
    hole_psnr: Estimate
    hole_l1: Estimate
    identity: Estimate


class MethodFigures(TypedDict):
    """A method's figures on all pictures, and the networks behind them; ``frechet`` needs two pictures."""

    psnr: Estimate
    ssim: Estimate
    l1: Estimate
    lpips: Lpips
    hole_psnr: Estimate
    hole_l1: Estimate
    identity: Identity
    frechet: NotRequired[Frechet]


class Band(TypedDict):
    """The figures on the pictures whose holes take such a share, named as ``(0.1, 0.2]``."""

    hole_ratio: str
    n: int
    methods: dict[str, Estimates]


class Pair(TypedDict):
    """Method ``a`` minus method ``b`` on the same pictures."""

    a: str
    b: str
    a_minus_b: dict[Metric, Difference]


class Masks(TypedDict):
    """The SPEC, and a hash of all holes."""

    spec: str
    sha256: str


class Weights(TypedDict):
    """The folder, and by method the hash of its files; None of a classical fill."""

    uri: str | None
    sha256: dict[str, str | None]


class Skipped(TypedDict):
    """How many pictures could not be judged, and the first of them: key and reason."""

    n: int
    first: list[tuple[str, str]]


class Header(TypedDict):
    """What the figures depend on."""

    n: int
    data: str
    data_sha256: str
    masks: Masks
    size: int
    crop: tuple[int, int, int, int] | None
    convention: str
    precision: str
    weights: Weights
    skipped: Skipped


class Metrics(Header):
    """All of ``metrics.json``."""

    methods: dict[str, MethodFigures]
    bands: list[Band]
    paired: list[Pair]
