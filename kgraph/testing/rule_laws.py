"""The laws of a rewrite rule, checked on the example that its own pattern makes.

It matches its example, the replacement has the same type, and both sides compute the same for irregular operands with
zeros, infinities and NaN among them (or drawn from the rule's `domain`), and for sizes of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kgraph.compiler import final_passes, forward_passes
from kgraph.ir.dims import evaluate_shape
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import FLOATS, Array
from kgraph.ir.verify import verify
from kgraph.passes.rewrite import Declined, Rewrite, Rule, attempt, count_uses
from kgraph.plugins.builtin import default_manager
from kgraph.testing.backend_laws import assert_agrees

# Nothing near the ends of the range: a rule may move where an overflow happens.
NASTY = (0.0, -0.0, 1.0, -1.0, 0.5, 300.0, np.inf, -np.inf, np.nan)
ROUNDS = 12


def all_rules() -> dict[str, Rule]:
    """The rules of every pass of the pipeline, those of backends and plug-ins included, by name."""
    passes = [*forward_passes(True), *forward_passes(False)]
    for backend in default_manager().backends().values():
        passes += final_passes(backend, {}, resting=True)
    found: dict[str, Rule] = {}
    for rule in (rule for step in passes if isinstance(step, Rewrite) for rule in step.rules):
        assert found.setdefault(rule.name, rule) is rule, f"two rules are named {rule.name}"
    return found


def check_rule(rule: Rule, rtol: float = 2e-6) -> None:
    """All of the above."""
    before = rule.example()
    made = attempt(rule, rule.root, count_uses(before))
    assert made is not None, f"{rule.name} does not match its own example"
    assert not isinstance(made, Declined), f"{rule.name} declines its own example: {made.reason}"
    after = Function(before.name, before.inputs, {"y": made})
    verify(after)
    assert after.outputs["y"].type == before.outputs["y"].type
    for size in (1, 3):
        sizes = {name: size for leaf in before.inputs for dim in leaf.shape for name in _symbols(dim)}
        for number in range(ROUNDS):
            arrays = [
                operand(leaf, sizes, rule.domain, number * 31 + i) for i, leaf in enumerate(before.inputs)
            ]
            assert_same_meaning(before, after, arrays, rtol)


def assert_same_meaning(before: Function, after: Function, arrays: Sequence[Array], rtol: float) -> None:
    """Two functions give the same outputs and updates, with NaN and infinity in the same places.

    The tolerance is relative to the largest finite element: sums in another order lose digits to cancellation.
    """
    (wanted, updates), (made, new) = run(before, arrays), run(after, arrays)
    pairs = [(name, wanted[name], made[name]) for name in wanted]
    pairs += [(variable.name, updates[variable], new[variable]) for variable in updates]
    for name, want, got in pairs:
        largest = np.max(np.abs(want, where=np.isfinite(want), out=np.zeros_like(want)), initial=1.0)
        assert_agrees(got, want, name, rtol, rtol * float(largest))


def operand(leaf: Input, sizes: Mapping[str, int], domain: tuple[float, float] | None, seed: int) -> Array:
    """Random elements for an input. The first draw is tame; later ones have more and more special values."""
    rng = np.random.default_rng(seed)
    shape = evaluate_shape(leaf.shape, sizes)
    if leaf.dtype not in FLOATS:
        return rng.integers(0, 2 if leaf.dtype == "bool" else 4, shape).astype(leaf.dtype)
    if domain is not None:
        return rng.uniform(*domain, shape).astype(leaf.dtype)
    array = rng.uniform(-2.0, 2.0, shape)
    special = rng.random(shape) < (seed // 31) / ROUNDS
    return np.where(special, rng.choice(NASTY, shape), array).astype(leaf.dtype)


def _symbols(dim: object) -> frozenset[str]:
    return dim.symbols() if hasattr(dim, "symbols") else frozenset()
