"""The laws of kgraph as public helpers: for its own suite, and for those of plug-ins.

`kgraph.testing.conformance`, which needs pytest, turns them into tests.
"""

from __future__ import annotations

from kgraph.testing.backend_laws import assert_agrees, check_function, check_sample
from kgraph.testing.graphs import random_arrays, random_function
from kgraph.testing.op_laws import (
    check_decomposition,
    check_gradient,
    check_second_order,
    check_types,
    op_samples,
)
from kgraph.testing.pass_laws import all_passes, check_pass
from kgraph.testing.rule_laws import all_rules, check_rule

__all__ = [
    # ops
    "check_decomposition",
    "check_gradient",
    "check_second_order",
    "check_types",
    "op_samples",
    # backends
    "assert_agrees",
    "check_function",
    "check_sample",
    # rules and passes
    "all_passes",
    "all_rules",
    "check_pass",
    "check_rule",
    "random_arrays",
    "random_function",
]
