"""The benchmarks' arithmetic: samples to medians, medians to ratios, ratios to verdicts. Nothing is timed."""

from __future__ import annotations

import pytest

from benchmarks.frameworks import FRAMEWORKS
from benchmarks.models import WORKLOADS
from benchmarks.report import METRICS, Machine, Results, number, reached, report
from benchmarks.targets import EVERY, TARGETS, Target

MACHINE = Machine("A Processor", 2, "Linux", ("keras 3.15", "Python 3.11"), "python -m benchmarks --only mlp")


@pytest.fixture
def results() -> Results:
    results = Results()
    results.add("mlp", "kgraph", {"fit_ms": [3.0, 1.0], "first_step_s": [0.25]})
    results.add("mlp", "kgraph", {"fit_ms": [2.0]})
    results.add("mlp", "keras-tf", {"fit_ms": [8.0]})
    results.add(EVERY, "kgraph", {"import_s": [0.125]})
    return results


def test_samples_of_all_rounds_make_one_median(results: Results) -> None:
    assert results.median("mlp", "kgraph", "fit_ms") == 2.0


def test_a_ratio_is_of_medians(results: Results) -> None:
    assert results.ratio("mlp", "fit_ms", "kgraph", "keras-tf") == 0.25


@pytest.mark.parametrize(
    ("workload", "metric", "baseline"),
    [
        ("mlp", "fit_ms", "keras-jax"),
        ("mlp", "first_step_s", "keras-tf"),
        ("lstm_text", "fit_ms", "keras-tf"),
    ],
)
def test_what_was_not_measured_has_no_ratio(
    results: Results, workload: str, metric: str, baseline: str
) -> None:
    assert results.ratio(workload, metric, "kgraph", baseline) is None


def test_a_target_is_a_ratio_or_a_limit(results: Results) -> None:
    assert reached(results, Target("mlp", "fit_ms", 0.5, "keras-tf")) == 0.25
    assert reached(results, Target("mlp", "first_step_s", 0.4)) == 0.25
    assert reached(results, Target(EVERY, "import_s", 0.3)) == 0.125


def test_targets_name_what_exists() -> None:
    for target in TARGETS:
        assert target.workload in {*WORKLOADS, EVERY}
        assert target.metric in METRICS
        assert target.baseline is None or target.baseline in FRAMEWORKS


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "n/a"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.1234, "0.123"), (0.0, "0.000")],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_the_report_says_what_was_met_missed_and_not_measured(results: Results) -> None:
    targets = [
        Target("mlp", "fit_ms", 0.5, "keras-tf"),
        Target("mlp", "first_step_s", 0.2),
        Target("mlp", "fit_ms", 1.0, "keras-jax"),
        Target("vgg_like", "fit_ms", 0.7, "keras-tf"),
    ]
    text = report(results, targets, MACHINE)
    assert MACHINE.command in text
    assert "2 cores of A Processor" in text
    assert "| `mlp` | `fit`, ms/step | ≤ 0.5 of Keras 3 on TensorFlow | 0.250 | met |" in text
    assert "| `mlp` | first step, s | ≤ 0.2 | 0.250 | **missed** |" in text
    assert "| `mlp` | `fit`, ms/step | ≤ 1 of Keras 3 on JAX | n/a | not measured |" in text
    assert "vgg_like" not in text
    assert "| Keras 3 on TensorFlow | 8.00 | n/a | n/a | n/a | n/a | 0.250 |" in text


def test_all_rows_of_a_table_have_its_columns(results: Results) -> None:
    for block in report(results, TARGETS, MACHINE).split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.strip().splitlines()}) == 1
