"""Laws of the whole pipeline: it keeps the meaning, is quick, can be watched, and its passes can be switched off."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kgraph import config
from kgraph.compiler import final_passes, specialise
from kgraph.errors import ArgumentError
from kgraph.ir.graph import Function
from kgraph.ir.interpret import run
from kgraph.passes.base import registry
from kgraph.passes.pipeline import Observer, run_pipeline, switched
from kgraph.plugins.builtin import default_manager
from tests.passes.models import mlp, train_step


def final(function: Function, observer: Observer | None = None) -> Function:
    passes = final_passes(default_manager().backend("onnx"), {})
    return run_pipeline(function, passes, observer or Observer(verify=True))


def test_a_training_step_means_the_same_before_and_after() -> None:
    step = train_step(mlp((5, 4), inputs=6, classes=3))
    optimised = final(train_step(specialise(mlp((5, 4), inputs=6, classes=3), training=True)))
    rng = np.random.default_rng(0)
    batch = [rng.normal(size=(7, 6)).astype("float32"), np.eye(3, dtype="float32")[rng.integers(0, 3, 7)]]
    (loss, updates), (loss2, updates2) = run(step, batch), run(optimised, batch)
    np.testing.assert_allclose(loss2["loss"], loss["loss"], rtol=1e-6)
    by_name = {variable.name: array for variable, array in updates2.items()}
    for variable, array in updates.items():
        np.testing.assert_allclose(by_name[variable.name], array, rtol=2e-5, atol=1e-8, err_msg=variable.name)


def _work(layers: int) -> tuple[int, int]:
    """The calls that are left of a training step, and how often Python called functions to get there."""
    forward = mlp((16,) * layers, inputs=16)
    called = Counter[str]()
    sys.setprofile(lambda frame, event, argument: called.update([event]))
    try:
        result = final(train_step(specialise(forward, training=True)), Observer())
    finally:
        sys.setprofile(None)
    return len(result.calls()), called["call"]


def test_a_deep_training_step_takes_work_in_proportion() -> None:
    _work(2)
    (few, little), (many, much) = _work(20), _work(80)
    assert many > 1500
    assert much / little < 1.1 * many / few


def test_the_table_has_a_row_for_each_pass_with_time_and_hits() -> None:
    observer = Observer(measure=True)
    final(train_step(mlp((4,))), observer)
    head, *rows = observer.table().splitlines()
    assert head.split() == ["function", "pass", "ms", "calls", "what", "was", "done"]
    passes = final_passes(default_manager().backend("onnx"), {})
    assert [row.split()[1] for row in rows] == [step.name for step in passes]
    assert any("ReduceMeanNeg 1" in row for row in rows)


def test_the_dump_folder_gets_the_text_before_and_after_each_pass_that_changed_something(
    tmp_path: Path,
) -> None:
    with config.using(dump=tmp_path):
        specialise(mlp((4,)), training=True)
        specialise(mlp((4,)), training=True)
    *names, table = [path.name for path in sorted(tmp_path.iterdir())]
    numbers = [int(name.split(".")[0]) for name in names]
    assert numbers == list(range(numbers[0], numbers[0] + len(names)))
    assert [name.partition(".")[2] for name in names[:2]] == ["train.input.txt", "train.simplify.txt"]
    assert (tmp_path / names[0]).read_text().startswith("function train(x: float32[batch, 784]")
    assert (tmp_path / table).read_text().count("what was done") == 2


def test_a_pass_can_be_switched_off_by_name() -> None:
    passes = final_passes(default_manager().backend("onnx"), {})
    names = [step.name for step in switched(passes, "-simplify,-share_equal_calls")]
    left_out = ("simplify", "share_equal_calls")
    assert names == [step.name for step in passes if step.name not in left_out]
    assert len(names) < len(passes)


@pytest.mark.parametrize("switches", ["-nonsense", "-decompose", "-simplify,-specialise_phase"])
def test_unknown_and_necessary_passes_cannot_be_switched_off(switches: str) -> None:
    with pytest.raises(ArgumentError, match="no such pass to switch off"):
        switched([], switches)


def test_every_registered_pass_says_what_it_does() -> None:
    assert [name for name, step in registry().items() if not step.__doc__] == []
