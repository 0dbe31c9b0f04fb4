"""The workload can be made, and its instruments read what they say."""

import csv
import json
import os
import socket
import time
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks import federation, node_log, processes, sockets
from cotally.client.sql.parse import parse
from cotally.server.dp.noise import Noise
from cotally.server.model.pace import Pace
from cotally.server.model.plan import Rules
from cotally.server.ops.charter import catalog_message
from cotally.server.ops.spec import check_data, load_spec
from cotally.server.planner.plan import make_plan
from cotally.server.planner.scope import effective
from cotally.server.wire import catalog as wire_catalog
from cotally.server.wire import query as wire_query


def test_the_workload_is_a_valid_spec_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        federation.write(tmp_path / name, 2048, "kernel")
    spec = load_spec(tmp_path / "first" / "spec.toml")
    check_data(spec)
    assert (len(spec.departments), spec.key_bits, spec.tick_ms) == (5, 2048, 50)
    assert len(spec.tables[0].columns[0].codes) == 100
    assert spec.answer_pace is Pace.KERNEL
    assert {department.noise for department in spec.departments} == {Noise.EXACT}
    assert [len(table.holders) for table in spec.tables] == [5, 1]
    records = (tmp_path / "first" / "department-1.csv").read_text("utf-8")
    assert records == (tmp_path / "second" / "department-1.csv").read_text("utf-8")
    assert len(list(csv.reader(records.splitlines()))) == 10_001


def test_cpu_and_memory_of_this_process_are_read() -> None:
    before = processes.cpu_seconds({"me": os.getpid()})["me"]
    sum(i * i for i in range(1_000_000))
    assert 0 < processes.cpu_seconds({"me": os.getpid()})["me"] - before < 10
    memory = processes.memory(os.getpid())
    assert 10 < memory["now"] <= memory["peak"] < 100_000


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_bytes_are_counted_once_and_both_ways(family: socket.AddressFamily, host: str) -> None:
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"no {host} here")
    with server:
        port = server.getsockname()[1]
        with socket.create_connection((host, port)) as ours:
            theirs, _ = server.accept()
            with theirs:
                before = sockets.moved(port)
                if before is None:
                    pytest.skip("this kernel does not tell")
                ours.sendall(bytes(10_000))
                received = 0
                while received < 10_000:
                    received += len(theirs.recv(65536))
                theirs.sendall(bytes(300))
                assert len(ours.recv(300, socket.MSG_WAITALL)) == 300
                give_up = time.monotonic() + 5
                while sockets.moved(port) != before + 10_300:  # an acknowledgement may come later
                    assert time.monotonic() < give_up
                    time.sleep(0.01)


@pytest.mark.parametrize("name, cells", [
    ("federation", 100), ("federation_10000_cells", 10_000), ("federation_100000_cells", 100_000),
    ("node_path_100", 100), ("node_path_100000", 100_000)])
def test_the_questions_have_as_many_groups_as_their_names_say(name: str, cells: int, tmp_path: Path) -> None:
    federation.write(tmp_path, 2048, "kernel")
    catalog = catalog_message(load_spec(tmp_path / "spec.toml"))
    query = wire_query.from_message(parse(federation.QUESTIONS[name].sql("1"), catalog).query)
    table = effective(query, wire_catalog.from_message(catalog).tables[query.table == "register"], [])
    rules = Rules(colluding=1, delta=Fraction(1, 10**6), tick_ms=50, round_ms=60_000, modulus_bits=2048,
                  answer_pace=Pace.KERNEL)
    assert {block.cells for block in make_plan(query, table, rules).blocks} == {cells}


def test_the_nodes_own_log_tells_what_it_adds_to_its_engine(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    log.write_text("".join(json.dumps({"event": event, "round": round_, "milliseconds": took}) + "\n"
                           for event, round_, took in [("measured", "ab", 300), ("measured", "cd", 7),
                                                       ("ready", "ab", 450), ("committed", "ab", 900)]))
    assert node_log.seconds_added(log, "ab") == pytest.approx(0.15)
    with pytest.raises(ValueError, match="cd"):
        node_log.seconds_added(log, "cd")
