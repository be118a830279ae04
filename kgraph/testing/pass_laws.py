"""The laws of a pass: it keeps the meaning, leaves a valid function, and has nothing left to do when run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kgraph.compiler import final_passes, forward_passes
from kgraph.ir.graph import Function
from kgraph.ir.types import Array
from kgraph.ir.verify import verify
from kgraph.passes.base import Pass
from kgraph.passes.nested import apply_everywhere
from kgraph.plugins.builtin import default_manager
from kgraph.testing.rule_laws import assert_same_meaning


def all_passes() -> dict[str, Pass]:
    """The passes of the pipeline for inference, those of backends and plug-ins included, by name."""
    passes = forward_passes(training=False)
    for backend in default_manager().backends().values():
        passes += final_passes(backend, {})
    found: dict[str, Pass] = {}
    for step in dict.fromkeys(passes):
        found[f"{step.name}-{len(found)}"] = step
    return found


def check_pass(step: Pass, function: Function, arrays: Sequence[Array], rtol: float = 1e-9) -> Function:
    """All of the above, for one function and inputs; gives what the pass made."""
    hits: Counter[str] = Counter()
    after = apply_everywhere(step, function, hits)
    verify(after)
    assert [leaf.type for leaf in after.inputs] == [leaf.type for leaf in function.inputs]
    assert {k: v.type for k, v in after.outputs.items()} == {k: v.type for k, v in function.outputs.items()}
    assert_same_meaning(function, after, arrays, rtol)
    if step.settles:
        again = apply_everywhere(step, after, Counter())
        assert again is after, f"{step.name} finds something to do the second time"
    return after
