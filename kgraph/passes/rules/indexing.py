"""Rows taken by their numbers."""

from __future__ import annotations

from kgraph.ir.graph import Value
from kgraph.ir.types import TensorType
from kgraph.ops.broadcast import Reshape, reshape
from kgraph.ops.shape import Gather
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32


class GatherOfGather(Rule):
    """gather(reshape(gather(table, ids)), rows) -> gather(table, gather(ids, rows)), the reshape joining rows

    The inner rows may be wide, numbers are not.
    """

    operands = examples(table=f32(4, 3), ids=TensorType("int32", (2, 5)), rows=TensorType("int64", (2, 2)))

    def pattern(self, table: Value, ids: Value, rows: Value) -> Value:
        return Gather(0)(Reshape((10, 3))(Gather(0)(table, ids)), rows)

    def replace(self, m: Match) -> Value | Declined:
        outer, inner, joined = m.op(Gather, 0), m.op(Gather, 1), m.op(Reshape).shape
        if outer.axis or inner.axis or m.table.rank < 2 or joined[1:] != m.table.shape[1:]:
            return Declined("the reshape changes the rows, or they are not on the first axis")
        return Gather(0)(m.table, Gather(0)(reshape(m.ids, joined[:1]), m.rows))


RULES = (GatherOfGather(),)
