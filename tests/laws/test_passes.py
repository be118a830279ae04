"""The laws of passes, over all passes of the pipeline and random functions."""

from __future__ import annotations

import pytest

from kgraph.ir.graph import Function
from kgraph.ir.printer import format_function
from kgraph.passes.base import Pass
from kgraph.passes.phase import SpecialisePhase
from kgraph.testing import all_passes, check_pass, random_arrays, random_function

PASSES = all_passes()
SEEDS = range(12)


def function_for(step: Pass, seed: int) -> Function:
    return random_function(seed, draws=not step.redraws, phases=isinstance(step, SpecialisePhase))


@pytest.mark.parametrize("step", PASSES.values(), ids=PASSES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pass_keeps_the_meaning(step: Pass, seed: int) -> None:
    function = function_for(step, seed)
    check_pass(step, function, random_arrays(function))


@pytest.mark.parametrize("seed", range(20))
def test_the_passes_in_a_row_keep_the_meaning(seed: int) -> None:
    function = random_function(seed, draws=False)
    arrays = random_arrays(function)
    for step in PASSES.values():
        function = check_pass(step, function, arrays)


@pytest.mark.parametrize("step", PASSES.values(), ids=PASSES)
def test_a_pass_is_deterministic(step: Pass) -> None:
    text = [format_function(check_pass(step, f, random_arrays(f))) for f in (function_for(step, 3),) * 2]
    assert text[0] == text[1]


def test_random_functions_are_the_same_for_the_same_seed_and_of_use() -> None:
    first, again, other = (random_function(seed) for seed in (7, 7, 8))
    assert format_function(first) == format_function(again) != format_function(other)
    names = {call.op.name for seed in range(40) for call in random_function(seed, phases=True).calls()}
    assert {"scan", "dropout", "matmul", "transpose", "where", "in_train_phase", "reduce_max"} <= names
    assert {"conv", "max_pool", "batch_norm", "batch_norm_train", "gather", "softmax_cross_entropy"} <= names
