"""The demo's folder: filled once, used again, and never somebody else's."""

import json
from pathlib import Path

import pytest

from cotally.server.ops.demo.folder import DemoFolder
from cotally.v1.refusals import Misconfigured


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_is_filled_once_and_then_used_again(tmp_path: Path) -> None:
    demo, said = DemoFolder(tmp_path / "demo"), list[str]()
    demo.fill(500, 1, said.append)
    first = files(demo.root)
    assert {"demo.json", "demo.toml", "script.json", "data/tax/residents.csv"} <= set(first)
    assert said == ["inventing 500 people (seed 1)"]
    demo.spec.write_text("# mine\n", "utf-8")
    demo.fill(500, 1, said.append)
    assert files(demo.root) == first | {"demo.toml": b"# mine\n"}
    assert said[1:] == [f"found the country of seed 1 in {demo.root}"]


def test_an_interrupted_filling_is_done_again(tmp_path: Path) -> None:
    demo = DemoFolder(tmp_path)
    demo.fill(500, 1, lambda _: None)
    whole = files(tmp_path)
    demo.script.unlink()
    (tmp_path / "data/tax/residents.csv").write_text("pid,reg", "utf-8")
    demo.fill(500, 1, lambda _: None)
    assert files(tmp_path) == whole


@pytest.mark.parametrize("people, seed", [(500, 2), (501, 1)])
def test_another_country_is_refused(tmp_path: Path, people: int, seed: int) -> None:
    DemoFolder(tmp_path).fill(500, 1, lambda _: None)
    before = files(tmp_path)
    with pytest.raises(Misconfigured, match="500 people and seed 1"):
        DemoFolder(tmp_path).fill(people, seed, lambda _: None)
    assert files(tmp_path) == before


@pytest.mark.parametrize("name, text", [("thesis.txt", "years of work"), ("demo.json", "[]"),
                                        ("demo.json", "{"), ("demo.json", json.dumps({"people": 500}))])
def test_somebody_elses_folder_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(Misconfigured, match=str(tmp_path)):
        DemoFolder(tmp_path).fill(500, 1, lambda _: None)
    assert files(tmp_path) == {name: text.encode()}


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("", "utf-8")
    with pytest.raises(Misconfigured, match="cannot hold the demo"):
        DemoFolder(tmp_path / "demo").fill(500, 1, lambda _: None)
