"""Opens Spark, inside the node or by Connect, and verifies what the integers rest on.

Without ANSI mode Spark's sums wrap around in silence, so it is switched on and then seen to work: a
sum that leaves 64 bits must stop the query. A Spark that does not stop is refused.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from cotally.server.engines.engine import EngineError
from cotally.server.engines.source import LOCAL
from cotally.server.engines.spark.decode import NFC
from cotally.v1.refusals import Misconfigured

_SETTINGS: Final = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.decimalOperations.allowPrecisionLoss": "true",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
}
_LOCAL: Final = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.ui.showConsoleProgress": "false",
}


def connect(url: str, scratch: Path) -> SparkSession:
    """A session at *url*; a local one keeps its warehouse and temporary files under *scratch*.

    Raises EngineError where none comes, Misconfigured where it adds up wrongly.
    """
    parts = urlsplit(url)
    logging.getLogger("SQLQueryContextLogger").disabled = True  # it prints what a query read
    try:
        if parts.scheme == "sc":
            session = SparkSession.builder.remote(url).getOrCreate()
        else:
            session = _classic(parts.hostname == LOCAL, url, scratch)
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
        session.udf.register(NFC, _nfc(), "string")
    except PySparkException as error:
        raise EngineError(f"Spark does not take the connection ({kind(error)})") from None
    except Exception as error:  # py4j and gRPC have errors of their own
        raise EngineError(f"Spark does not take the connection ({type(error).__name__})") from None
    check(session)
    return session


def _classic(local: bool, url: str, scratch: Path) -> SparkSession:
    builder: Any = SparkSession.builder.appName("cotally")
    if local:
        builder = builder.master("local[*]").config("spark.pyspark.python", sys.executable)
        builder = builder.config("spark.local.dir", str(scratch / "spark-local"))
        builder = builder.config("spark.sql.warehouse.dir", str(scratch / "spark-warehouse"))
        for name, value in _LOCAL.items():
            builder = builder.config(name, value)
    else:
        builder = builder.master(url)
    session: SparkSession = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF" if local else "ERROR")
    return session


def check(session: SparkSession) -> None:
    """Misconfigured unless overflow stops a query, in sums and in casts."""
    for statement in ("SELECT sum(x) FROM VALUES (9223372036854775807), (1) AS t(x)",
                      "SELECT CAST(x AS BIGINT) FROM VALUES (9223372036854775808) AS t(x)"):
        try:
            session.sql(statement).collect()
        except PySparkException as error:
            if "OVERFLOW" in kind(error) or "ARITHMETIC" in kind(error):
                continue
            raise EngineError(f"Spark stopped with {kind(error)}") from None
        raise Misconfigured("this Spark lets integers wrap around: its ANSI mode (spark.sql.ansi.enabled) "
                            "does not work, and without it sums are wrong in silence")


def kind(error: PySparkException) -> str:
    """The error's class, never its text: that quotes values."""
    return str(error.getCondition() or type(error).__name__)


def _nfc() -> Callable[[str | None], str | None]:
    """Text in NFC; made here, so that it travels to workers as code and not as a name of ours."""
    def nfc(text: str | None) -> str | None:
        import unicodedata
        return None if text is None else unicodedata.normalize("NFC", text)

    return nfc
