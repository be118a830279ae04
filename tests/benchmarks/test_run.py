"""The benchmarks' command line, and how it finds its way about. Nothing is timed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.environments import Environment, advice, examine, interpreter
from benchmarks.frameworks import FRAMEWORKS, Framework
from benchmarks.models import WORKLOADS
from benchmarks.run import BEGIN, END, README, parser, put_between_marks

ABSENT = Framework("absent", "Absent", "nowhere", "import absent", ("absent.part", "json"), ("absent>=2",))


def test_everything_runs_by_default() -> None:
    options = parser().parse_args([])
    assert options.only == list(WORKLOADS)
    assert options.frameworks == list(FRAMEWORKS)
    assert options.python == []


def test_choices_keep_the_order_of_the_tables() -> None:
    options = parser().parse_args(
        ["--only", "mnist_cnn,mlp", "--frameworks", "torch,kgraph", "--rounds", "2"]
    )
    assert options.only == ["mlp", "mnist_cnn"]
    assert options.frameworks == ["kgraph", "torch"]
    assert options.rounds == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "mlp,resnet"], "resnet is none of mlp, "),
        (["--frameworks", "caffe"], "caffe is none of kgraph, "),
        (["--rounds", "0"], "expected a whole number above zero, got '0'"),
        (["--python", "caffe=/usr/bin/python"], "caffe is none of kgraph, "),
    ],
)
def test_a_wrong_argument_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(arguments)
    assert message in capsys.readouterr().err


def test_an_interpreter_is_named_for_one_framework_or_for_all() -> None:
    options = parser().parse_args(["--python", "keras-tf=/one/python", "--python", "/all/python"])
    chosen = dict(options.python)
    assert interpreter(FRAMEWORKS["keras-tf"], chosen) == Path("/one/python")
    assert interpreter(FRAMEWORKS["jax"], chosen) == Path("/all/python")
    assert interpreter(ABSENT, {}) == Path(sys.executable)


def test_what_is_missing_comes_with_a_way_to_get_it() -> None:
    environment = examine(ABSENT, {})
    assert environment.missing == ("absent.part",)
    text = advice(environment)
    assert "has no absent.part" in text
    assert "python -m venv benchmarks/.envs/absent && " in text
    assert "pip install 'absent>=2'" in text


def test_processes_see_the_cpu_and_their_own_settings(tmp_path: Path) -> None:
    variables = Environment(FRAMEWORKS["keras-jax"], Path(sys.executable), (), {}).variables(tmp_path)
    assert variables["KERAS_BACKEND"] == "jax"
    assert variables["KERAS_HOME"] == str(tmp_path)
    assert variables["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=lambda workload: workload.name)
def test_data_fill_whole_batches_and_are_always_the_same(workload) -> None:
    inputs, targets = workload.arrays()
    assert len(inputs) == len(targets) == workload.batch * workload.steps
    again, _ = workload.arrays()
    assert (inputs == again).all()


def test_a_report_replaces_the_one_before() -> None:
    old = f"before\n{BEGIN}old{END}after\n"
    new = put_between_marks(put_between_marks(old, "first\n"), "second\n")
    assert new == f"before\n{BEGIN}\nsecond\n\n{END}after\n"
    put_between_marks(README.read_text(encoding="utf-8"), "fits")


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="results: begin"):
        put_between_marks("nothing here\n", "report")
