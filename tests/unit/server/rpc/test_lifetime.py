import json
import signal
import subprocess
import sys
from textwrap import dedent, indent

import pytest

PROGRAM = """
import asyncio, logging, sys
from cotally.server.rpc.lifetime import run
from cotally.server.rpc.logs import Log
from cotally.v1.refusals import Misconfigured, Refusal, Refused
async def main():
{body}
sys.exit(run(main(), Log("node", "north")))
"""
WAITS = """
    try:
        print("ready", flush=True)
        await asyncio.sleep(30)
    finally:
        await asyncio.sleep(0)
        print("cleaned", flush=True)
"""


def start(body: str) -> subprocess.Popen[str]:
    program = PROGRAM.format(body=indent(dedent(body), "    "))
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_gracefully(number: signal.Signals, code: int) -> None:
    process = start(WAITS)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert process.returncode == code and out == "cleaned\n"
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["stopping", "stopped"]


@pytest.mark.parametrize("body, code, event", [
    ("pass", 0, "stopped"),
    ("raise Misconfigured('node.toml: `x` is missing')", 3, "stopped"),
    ("raise Refused(Refusal.CREDENTIALS, 'who are you')", 8, "stopped"),
    ("raise ValueError('pid 4711')", 1, "internal_error"),
    ("logging.getLogger('lib').error('pid 4711')", 0, "library"),
    ("async def stray(): raise ValueError('pid 4711')\nt = asyncio.ensure_future(stray())\n"
     "await asyncio.sleep(0.01)\ndel t\nimport gc; gc.collect()\nawait asyncio.sleep(0)", 0, "stray_error"),
])
def test_every_end_is_a_line_and_a_code(body: str, code: int, event: str) -> None:
    process = start(body)
    out, err = process.communicate(timeout=10)
    assert process.returncode == code and out == ""
    assert event in [json.loads(line)["event"] for line in err.splitlines()]
    assert "4711" not in err and "Traceback" not in err


def test_a_second_signal_leaves_at_once() -> None:
    process = start("""
        try:
            print("ready", flush=True)
            await asyncio.sleep(30)
        finally:
            print("stuck", flush=True)
            await asyncio.sleep(30)
        """)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130
