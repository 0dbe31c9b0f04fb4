"""Whether Spark lets the node do what it must: read the source, and write into the folder of snapshots."""

from collections.abc import Callable

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from cotally.server.engines.source import SparkTable
from cotally.server.engines.spark import session as sessions
from cotally.v1.refusals import Misconfigured


def check(session: SparkSession, given: DataFrame, source: SparkTable, store: str) -> None:
    """Misconfigured, with what mends it, unless a row of *given* can be read and *store* written to.

    The row goes nowhere; what is written is a file of our own under `~rights`.
    """
    user = session.sql("SELECT current_user()").collect()[0][0]
    grant = (f"GRANT SELECT ON TABLE {source.table} TO `{user}`" if source.table
             else f"let {user} read {source.path}, and every executor reach it")
    _try(lambda: given.limit(1).write.format("noop").mode("overwrite").save(),
         f"Spark may not read {source}", f"as administrator: {grant}")
    _try(lambda: session.range(1).write.mode("overwrite").parquet(f"{store}/~rights"),
         f"Spark may not write into {store}", f"make it a folder that {user} alone may write to")


def _try(step: Callable[[], None], failing: str, mended: str) -> None:
    try:
        step()
    except PySparkException as error:
        raise Misconfigured(f"{failing} ({sessions.kind(error)}); {mended}") from None
    except Exception as error:  # py4j and gRPC have errors of their own
        raise Misconfigured(f"{failing} ({type(error).__name__}); {mended}") from None
