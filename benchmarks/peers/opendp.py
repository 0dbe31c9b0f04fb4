"""OpenDP's exact samplers, on vectors, as a peer of the noise suite."""

from collections.abc import Callable
from typing import Final

from cotally.server.ops.bench.rows import Missing

NAME: Final = "OpenDP"


def laplace(scale: int, count: int) -> Callable[[], object]:
    """What draws *count* discrete Laplace integers of *scale*: one call of OpenDP's measurement."""
    return _sampler("make_laplace", "l1_distance", scale, count)


def gaussian(scale: int, count: int) -> Callable[[], object]:
    """What draws *count* discrete Gaussian integers of standard deviation *scale*."""
    return _sampler("make_gaussian", "l2_distance", scale, count)


def _sampler(maker: str, metric: str, scale: int, count: int) -> Callable[[], object]:
    try:
        import opendp.prelude as opendp
    except ImportError:
        raise Missing("opendp is not installed") from None
    opendp.enable_features("contrib")
    integers = opendp.vector_domain(opendp.atom_domain(T="i64"))
    measurement = getattr(opendp.m, maker)(integers, getattr(opendp, metric)(T="f64"), scale=float(scale))
    zeros = [0] * count
    return lambda: measurement(zeros)
