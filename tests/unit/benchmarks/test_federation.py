"""The workload can be made, and its instruments read what they say."""

import csv
import os
import socket
import time
from pathlib import Path

import pytest

from benchmarks import federation, processes, sockets
from cotally.server.ops.spec import check_data, load_spec


def test_the_workload_is_a_valid_spec_and_the_same_every_time(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        federation.write(tmp_path / name, 2048)
    spec = load_spec(tmp_path / "first" / "spec.toml")
    check_data(spec)
    assert (len(spec.departments), spec.key_bits, spec.tick_ms) == (5, 2048, 50)
    assert len(spec.tables[0].columns[0].codes) == 100
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
