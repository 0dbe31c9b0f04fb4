"""One PostgreSQL for the operators' commands."""

from tests.unit.server.engines.conftest import server as server
