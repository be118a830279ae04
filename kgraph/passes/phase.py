"""Phase specialisation: pick one side of every `in_train_phase`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from kgraph.ir.graph import Call, Function, Value, transform
from kgraph.ops.broadcast import broadcast_to
from kgraph.ops.control import Gate, InTrainPhase
from kgraph.passes.base import Pass, register


@register("specialise_phase")
@dataclass(frozen=True)
class SpecialisePhase(Pass):
    """in_train_phase(a, b) -> a in training, b otherwise. What only the other side needed is gone.

    Where the gate of a choice is among the `closed` ones, it is b in training too.
    """

    required = True

    training: bool = False
    closed: frozenset[Gate] = frozenset()

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, InTrainPhase):
                return None
            hits["resolved"] += 1
            trained = self.training and call.op.gate not in self.closed
            chosen = inputs[0] if trained else inputs[1]
            return (broadcast_to(chosen, call.results[0].shape),)

        return transform(function, visit)
