"""Everything stops and starts again: budgets, releases and the log are where they were."""

import signal

import pytest

from tests.system.asking import charges, log_of, price
from tests.system.holdings import COUNT, DEPARTMENTS
from tests.system.running import Running


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_federation_goes_on_where_it_stopped(federation: Running, number: signal.Signals) -> None:
    with federation.connect() as con:
        release = con.sql(COUNT).run()
        cost = price(con)
    log, spent = log_of(federation), federation.spent()
    if number is signal.SIGTERM:
        assert set(federation.stop()) == {0}
    else:
        federation.kill(*federation.processes)
    federation.heal()
    assert federation.spent() == spent
    again = log_of(federation)
    assert again[: len(log)] == log
    assert len(again) == len(log)
    with federation.connect() as con:
        assert con.release(release.id).to_dict() == release.to_dict()
        assert not con.sql(COUNT).run().missing
    assert charges(spent, federation.spent()) == dict.fromkeys(DEPARTMENTS, cost)
    assert log_of(federation)[: len(log)] == log


def test_a_saved_release_is_verified_without_anybody(federation: Running) -> None:
    from cotally.client.release import Release
    with federation.connect() as con:
        release, path = con.sql(COUNT).run(), federation.root / "saved.release"
        release.save(path)
        assert Release.load(path, con.profile.roster).to_dict() == release.to_dict()
