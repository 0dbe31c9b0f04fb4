"""The result object: DataFrame, JSON object, file and chart of one verified release."""

import json
import math
import stat
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from cotally.client.equal import query_fingerprint
from cotally.client.release import Release
from cotally.v1 import catalog_pb2, log_pb2, query_pb2
from cotally.v1.refusals import Misconfigured, Refused
from tests.fixtures.bundle import Round, people, question

# Refined counts are four times the rows; the last group has almost nobody.
VECTOR = [1200, 2000, 4, 20_000, 31_000, 90, 1200, 2000, 4, 8000, -5000, 30]


def vectors() -> dict[str, list[int]]:
    return dict.fromkeys(("east", "north", "west"), VECTOR)


@cache
def release() -> Release:
    return Release.of(*Round(vectors=vectors()).bundle())


def test_the_data_frame_has_keys_and_four_columns_per_alias() -> None:
    frame = release().df()
    assert list(frame.columns) == ["sex"] + [
        alias + suffix for alias in ("n", "total", "average") for suffix in ("", "_se", "_low", "_high")]
    assert list(frame.index) == [0, 1, 2]
    assert list(frame["sex"]) == ["f", "m", "other"]
    assert frame["n"][0] == 900
    assert frame["average"][0] == pytest.approx(100 + 24_000 / 900)
    assert (frame["n_low"] < frame["n"]).all() and (frame["n"] < frame["n_high"]).all()
    assert math.isnan(frame["average_low"][2])
    assert frame.drop(columns="sex").dtypes.eq("float64").all()


def test_the_json_object_has_every_member_and_no_nan() -> None:
    answer = json.loads(json.dumps(release().to_dict(), allow_nan=False))
    query = question()
    assert list(answer) == ["release_id", "query_fingerprint", "table", "vintage", "replayed", "departments",
                            "missing", "confidence", "privacy", "noise", "rows"]
    assert answer["release_id"] == release().id and len(answer["release_id"]) == 64
    assert answer["query_fingerprint"] == query_fingerprint(query, catalog_pb2.Catalog(tables=[people()]))
    assert (answer["table"], answer["vintage"], answer["replayed"]) == ("people", "2026-10", False)
    assert answer["departments"] == ["east", "north", "west"] and answer["missing"] == []
    assert answer["confidence"] == 0.95
    assert answer["privacy"] == {
        "unit": "pid", "population": "residents", "mechanism": "gaussian", "rho": "0.04",
        "epsilon": answer["privacy"]["epsilon"], "delta": 1e-6, "assumed_honest": 2}
    assert 1.30 < answer["privacy"]["epsilon"] < 1.31
    first, last = answer["rows"][0], answer["rows"][2]
    assert list(first) == ["sex"] + [
        alias + suffix for alias in ("n", "total", "average")
        for suffix in ("", "_se", "_low", "_high", "_flag")]
    assert first["n_flag"] is None and first["average_flag"] is None
    assert last["average_flag"] == "unstable"
    assert last["average_se"] is None and last["average_low"] is None and last["average_high"] is None


def test_a_laplace_release_states_pure_epsilon_and_delta_0() -> None:
    laplace = Release.of(*Round(query=question(query_pb2.MECHANISM_LAPLACE), vectors=vectors()).bundle())
    assert laplace.privacy["epsilon"] == 0.8
    assert laplace.privacy["delta"] == 0
    assert laplace.privacy["mechanism"] == "laplace"


def test_a_saved_release_is_verified_again_when_loaded(tmp_path: Path) -> None:
    bundle, fingerprint = Round(vectors=vectors()).bundle()
    path = tmp_path / "a.release"
    Release.of(bundle, fingerprint).save(path)
    assert Release.load(path, fingerprint).to_dict() == Release.of(bundle, fingerprint).to_dict()
    assert [each.name for each in tmp_path.iterdir()] == ["a.release"]
    assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    with pytest.raises(Refused, match="pinned"):
        Release.load(path, bytes(32))


def test_nothing_is_shown_that_was_not_checked(tmp_path: Path) -> None:
    bundle, fingerprint = Round(vectors=vectors()).bundle()
    bundle.release.body.totals[0] += 1
    path = tmp_path / "a.release"
    path.write_bytes(bundle.SerializeToString())
    with pytest.raises(Refused, match="release"):
        Release.of(bundle, fingerprint)
    with pytest.raises(Refused, match="release"):
        Release.load(path, fingerprint)
    with pytest.raises(Refused, match="release"):
        Release.replay(bundle, fingerprint, bundle.announcement.body.envelope.body.query)


@pytest.mark.parametrize("content", [b"", b"no bundle at all", b"\x0a\x00"])
def test_a_file_that_is_no_release_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.release"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"x\.release is not a saved release"):
        Release.load(path, bytes(32))
    with pytest.raises(Misconfigured, match=r"cannot read .*nowhere"):
        Release.load(tmp_path / "nowhere", bytes(32))
    with pytest.raises(Misconfigured, match=r"cannot write .*nowhere"):
        release().save(tmp_path / "nowhere" / "x")


def test_people_can_read_it() -> None:
    text, markup = repr(release()), release()._repr_html_()
    assert "other" in text and "95 % intervals" in text and "person-level epsilon 1.3" in text
    assert release().id[:16] in text
    assert "<table" in markup and "–" in markup


@pytest.mark.parametrize("keys, cells, bars, labels", [
    ((), 1, 1, ["all"]), (("sex",), 3, 3, ["f", "m", "other"]), (("sex", "area"), 6, 6, ["f", "m", "other"]),
])
def test_a_chart_has_every_group(keys: tuple[str, ...], cells: int, bars: int, labels: list[str]) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot
    answer = Release.of(*Round(query=question(keys=keys), cells=cells).bundle())
    ax = answer.plot()
    assert len(ax.patches) == bars
    assert [label.get_text() for label in ax.get_xticklabels()] == labels
    assert ax.get_ylabel() == "n"
    pyplot.close("all")


def test_a_chart_goes_on_with_a_font_that_has_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import font_manager, pyplot, rcParams
    before = list(rcParams["font.family"])
    there = [font_manager.FontEntry(name=name) for name in ("SimHei", "Comic Sans MS")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [*font_manager.fontManager.ttflist, *there])
    ax = Release.of(*Round(query=question(keys=("sex", "area")), cells=6).bundle()).plot()
    legend = ax.get_legend()
    assert legend is not None
    for text in (*ax.get_xticklabels(), *legend.get_texts(), ax.title):
        assert text.get_fontfamily() == [*before, "SimHei"]
    assert rcParams["font.family"] == before
    pyplot.close("all")


def test_unstable_means_are_marked_and_unknown_statistics_refused() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot
    figure, mine = pyplot.subplots()
    ax = release().plot(ax=mine, statistic="average")
    assert ax is mine
    crosses = [line for line in ax.lines if line.get_gid() == "unstable"]
    assert [np.asarray(line.get_xdata()).tolist() for line in crosses] == [[2.0]]
    with pytest.raises(Refused, match="it has n, total, average"):
        release().plot(statistic="median")
    pyplot.close(figure)


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(Misconfigured, match=r"pip install cotally\[plot\]"):
        release().plot()


def test_a_flipped_bit_that_spells_the_same_message_is_refused(tmp_path: Path) -> None:
    bundle, fingerprint = Round().bundle()
    data = bundle.SerializeToString()
    path = tmp_path / "a.release"
    planted = 0
    for place in range(len(data)):
        if data[place] != 1:
            continue
        forged = data[:place] + b"\x03" + data[place + 1:]
        with suppress(DecodeError):
            if log_pb2.Bundle.FromString(forged) == bundle:
                planted += 1
                path.write_bytes(forged)
                with pytest.raises(Refused, match="not spelled"):
                    Release.load(path, fingerprint)
    assert planted
