"""Which decoder each statistic has."""

from collections.abc import Callable, Mapping
from typing import Final

from cotally.v1 import query_pb2

from .asked import Asked, Decoder
from .correlation import correlation
from .covariance import covariance, stddev, variance
from .histogram import histogram
from .linear import quotient, total
from .quantile import quantile
from .regression import regression

METHODS: Final[Mapping[int, Callable[[Asked], Decoder]]] = {
    query_pb2.STATISTIC_KIND_COUNT_ROWS: total, query_pb2.STATISTIC_KIND_COUNT: total,
    query_pb2.STATISTIC_KIND_SUM: total, query_pb2.STATISTIC_KIND_PERSONS: total,
    query_pb2.STATISTIC_KIND_INCIDENCES: total,
    query_pb2.STATISTIC_KIND_MEAN: quotient, query_pb2.STATISTIC_KIND_CLIPPED_LOW: quotient,
    query_pb2.STATISTIC_KIND_CLIPPED_HIGH: quotient, query_pb2.STATISTIC_KIND_TRUNCATED: quotient,
    query_pb2.STATISTIC_KIND_VARIANCE: variance, query_pb2.STATISTIC_KIND_STDDEV: stddev,
    query_pb2.STATISTIC_KIND_COVAR: covariance, query_pb2.STATISTIC_KIND_CORR: correlation,
    query_pb2.STATISTIC_KIND_REGR: regression, query_pb2.STATISTIC_KIND_QUANTILE: quantile,
    query_pb2.STATISTIC_KIND_HISTOGRAM: histogram, query_pb2.STATISTIC_KIND_SUGGEST_BOUNDS: histogram,
}
