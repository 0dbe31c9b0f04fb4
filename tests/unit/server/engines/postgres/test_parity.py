"""`node check --parity` at a site: a role that can only read, and no table."""

from functools import partial

from cotally.server.engines import parity
from cotally.server.engines.duckdb import synthetic as duckdb
from cotally.server.engines.postgres import session, synthetic
from tests.postgres import Server
from tests.unit.server.engines.test_parity import RULES, SMALL


def test_postgresql_gives_the_integers_of_duckdb(server: Server) -> None:
    with session.connect(server.url("reader")) as connection:
        ours = partial(synthetic.measure, connection)
        assert parity.differences(SMALL, RULES, ours, duckdb.measure) == []
