"""The shapes of answers: lists of numbers, margins, adjusted values, flags, noise parameters, charts."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotally.client.decode.consistent import projected
from cotally.client.release import Release
from cotally.client.sql.parse import parse
from cotally.v1 import catalog_pb2
from cotally.v1.refusals import Refused
from tests.fixtures.answered import answered
from tests.unit.client.test_same_message import CATALOG


def release(text: str, *blocks: list[int], catalog: catalog_pb2.Catalog = CATALOG) -> Release:
    if "WITH PRIVACY" not in text:
        text += " WITH PRIVACY (rho = 0.5)"
    return answered(parse(text, catalog).query, catalog, blocks)


def histogram(more: str = "") -> Release:
    return release(
        "SELECT sex, HISTOGRAM(age, 4) AS h, COUNT(*) AS n FROM people GROUP BY sex"
        f" WITH PRIVACY (rho = 0.5{more})",
        [1, 2, 3, 4, 10, 20, 30, 40, 0, -5, 0, 0],
        [10, 100, -5],
    )


def test_a_histogram_is_a_list_in_json_and_a_long_frame() -> None:
    answer = json.loads(json.dumps(histogram().to_dict(), allow_nan=False))
    first = answer["rows"][0]
    assert list(first) == ["sex", "h", "n", "n_se", "n_low", "n_high", "n_flag"]
    assert [(c["lower"], c["upper"], c["value"]) for c in first["h"]] == [
        (0, 25, 1), (25, 50, 2), (50, 75, 3), (75, 100, 4)]
    assert list(first["h"][0]) == ["lower", "upper", "value", "se", "low", "high", "flag"]
    frame = histogram().histogram("h")
    assert list(frame.columns) == ["sex", "lower", "upper", "value", "se", "low", "high", "flag"]
    assert len(frame) == 12 and frame["value"].tolist()[4:8] == [10, 20, 30, 40]
    assert histogram().df()["h"][1] == (10, 20, 30, 40)
    with pytest.raises(Refused, match="'n' is no histogram"):
        histogram().histogram("n")
    with pytest.raises(Refused, match="it has h, n"):
        histogram().long("x")


def test_a_regression_has_terms_and_a_covariance() -> None:
    answer = release("SELECT REGR(income, age) AS r FROM people BOUNDS(income, 0, 400)"
                     " WITH PRIVACY (rho = 5)", *([[0]] * 6))
    assert [c.label for c in answer.rows[0].estimates[0].cells] == [
        (("term", "intercept"),),
        (("term", "age"),),
    ]
    assert answer.to_dict()["rows"][0]["r_covariance"] is None
    frame = answer.regression("r")
    assert list(frame["term"]) == ["intercept", "age"] and list(frame["flag"]) == ["unstable", "unstable"]
    assert all(math.isnan(value) for value in frame["value"])


def test_consistent_values_stand_beside_add_up_and_are_not_negative() -> None:
    plain, adjusted = histogram(), histogram(", consistent = true")
    assert plain.df()["n"].tolist() == adjusted.df()["n"].tolist() == [10, 100, -5]
    assert adjusted.df()["n_adjusted"].tolist() == [7.5, 97.5, 0]
    rows = adjusted.to_dict()["rows"]
    assert [row["n_adjusted"] for row in rows] == [7.5, 97.5, 0]
    cells = [cell["adjusted"] for row in rows for cell in row["h"]]
    assert min(cells) >= 0 and sum(cells) == pytest.approx(105)
    assert "n_adjusted" not in plain.to_dict()["rows"][0] and "n_adjusted" not in plain.df()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_projection_is_the_nearest_non_negative_point_of_the_same_total(values: list[float]) -> None:
    given_, moved = np.array(values), projected(np.array(values))
    total = max(given_.sum(), 0.0)
    assert moved.min() >= 0 and moved.sum() == pytest.approx(total, abs=1e-6)
    if total > 1e-3:  # optimality: what is kept was lowered by one amount, what is cut by less than that
        lowered = (given_ - moved)[moved > 0]
        assert np.ptp(lowered) <= 1e-6 * (1 + np.abs(given_).max())
        assert (given_[moved == 0] <= lowered.max() + 1e-6 * (1 + np.abs(given_).max())).all()


def test_margins_are_sums_with_exact_errors() -> None:
    answer = release("SELECT COUNT(*) AS n, AVG(age) AS m FROM people GROUP BY sex, BIN(age, 50)"
                     " WITH PRIVACY (rho = 0.5, consistent = true)",
                     [1, 2, 3, 40, 50, 60, -9, 0, 0], [0] * 9)
    by_sex = answer.margins("n", ["sex"])
    assert by_sex["sex"].tolist() == ["0", "1", "other"] and by_sex["n"].tolist() == [6, 150, -9]
    assert answer.margins("n", ["bin_age"])["n"].tolist() == [32, 52, 63]
    whole = answer.margins("n")
    assert whole["n"].tolist() == [147] and whole["n_adjusted"][0] == pytest.approx(147)
    assert by_sex["n_se"][0] == pytest.approx(answer.df()["n_se"][0] * 3**0.5)
    assert whole["n_se"][0] == pytest.approx(answer.df()["n_se"][0] * 3)
    with pytest.raises(Refused, match="does not add up"):
        answer.margins("m")
    with pytest.raises(Refused, match="it has sex, bin_age"):
        answer.margins("n", ["age"])


def test_quality_flags_read_noisy_relative_errors_only() -> None:
    catalog = catalog_pb2.Catalog()
    catalog.CopyFrom(CATALOG)
    catalog.tables[0].quality.unreliable, catalog.tables[0].quality.suppressed = "0.2", "0.5"
    half = release("SELECT COUNT(*) AS n FROM people", [1]).df()
    width = (half["n_high"][0] - half["n_low"][0]) / 2
    values = [round(width * 10), round(width * 3), round(width * 1.5)]
    answer = release("SELECT sex, COUNT(*) AS n FROM people GROUP BY sex", values, catalog=catalog).to_dict()
    assert [row["n_flag"] for row in answer["rows"]] == [None, "unreliable", "suppressed"]
    assert answer["rows"][2]["n"] is None and answer["rows"][2]["n_low"] is None
    assert answer["rows"][1]["n"] == values[1]


def test_noise_parameters_are_told_for_programs() -> None:
    answer = release("SELECT sex, COUNT(*) AS n, COUNT(age) AS a, AVG(age) AS m FROM people GROUP BY sex",
                     [100, 100, 100], [0, 0, 0])
    noise = json.loads(json.dumps(answer.to_dict()["noise"], allow_nan=False))
    rows, centred = noise["blocks"]
    assert (rows["kind"], rows["mechanism"], rows["shares"], rows["coordinates"]) == (
        "count",
        "gaussian",
        3,
        3,
    )
    assert rows["sigma"] == pytest.approx(answer.df()["n_se"][0]) and centred["columns"] == ["age"]
    assert noise["statistics"]["n"] == {"blocks": [0], "sigma": rows["sigma"]}
    assert noise["statistics"]["m"] == {"blocks": [0, 1], "sigma": None}
    shared = {tuple(each["of"]): each["value"] for each in noise["covariance"]}
    assert shared[("n", "a")] == pytest.approx(rows["sigma"] ** 2) and ("n", "m") not in shared


def test_bounds_are_suggested_where_somebody_surely_is() -> None:
    columns = release("SUGGEST BOUNDS FOR people.age", [0, 1, 2, 900, 4000, 2000, 800, 3])
    found = columns.to_dict()["rows"][0]
    assert found["bounds_age_suggested"] == {"lower": 4, "upper": 64}
    assert [cell["lower"] for cell in found["bounds_age"]] == [0, 1, 2, 4, 8, 16, 32, 64]
    nobody = release("SUGGEST BOUNDS FOR people.age", [0] * 8).to_dict()["rows"][0]
    assert nobody["bounds_age_suggested"] is None


def test_keys_of_a_join_and_computed_keys_are_columns() -> None:
    answer = release("SELECT COUNT(*) AS n FROM visits JOIN people USING (pid) GROUP BY ward, YEAR(born)",
                     [1, 2, 3, 4])
    assert answer.df()[["visits.ward", "year_born"]].to_numpy().tolist() == [
        ["x", "1930"], ["x", "1931"], ["y", "1930"], ["y", "1931"]]
    assert answer.to_dict()["vintage"] == "v7+p1"


def test_charts_of_several_numbers() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot
    axes = histogram().plot()
    assert len(axes.patches) == 12 and axes.get_xlabel() == "age"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "25", "50", "75"]
    many = release("SELECT HISTOGRAM(age, 2) AS h FROM people GROUP BY BIN(age, 10)", [5] * 22)
    with pytest.raises(Refused, match="at most 8 groups"):
        many.plot()
    pyplot.close("all")
