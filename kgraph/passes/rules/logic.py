"""Selection, Boolean algebra and casts."""

from __future__ import annotations

import numpy as np

from kgraph.ir.graph import Value, constant
from kgraph.ir.types import TensorType
from kgraph.ops.activations import Positive
from kgraph.ops.elementwise import div
from kgraph.ops.logic import And, Cast, Not, Or, Where, cast, equal, greater, where
from kgraph.passes.facts import elements
from kgraph.passes.rewrite import Declined, Match, Rule, examples, f32

CONDITION = TensorType("bool", (2, 3))
C = examples(c=CONDITION)
CAB = examples(c=CONDITION, a=f32(2, 3), b=f32(2, 3))


class WhereSame(Rule):
    """where(c, x, x) -> x"""

    operands = examples(c=CONDITION, x=f32(2, 3))

    def pattern(self, c: Value, x: Value) -> Value:
        return Where()(c, x, x)

    def replace(self, m: Match) -> Value:
        return m.x


class WhereKnown(Rule):
    """where(true, a, b) -> a, where(false, a, b) -> b"""

    operands = examples(c=constant([True, True]), a=f32(3, 2), b=f32(3, 2))

    def pattern(self, c: Value, a: Value, b: Value) -> Value:
        return Where()(c, a, b)

    def replace(self, m: Match) -> Value | Declined:
        c = m.array("c")
        if c.size and c.all():
            return m.a
        return m.b if c.size and not c.any() else Declined("the condition varies")


class WhereNot(Rule):
    """where(not c, a, b) -> where(c, b, a)"""

    operands = CAB

    def pattern(self, c: Value, a: Value, b: Value) -> Value:
        return Where()(Not()(c), a, b)

    def replace(self, m: Match) -> Value:
        return where(m.c, m.b, m.a)


class WhereOneZero(Rule):
    """where(c, 1, 0) -> cast(c)"""

    operands = C

    def pattern(self, c: Value) -> Value:
        return Where()(c, constant(1.0, "float32"), constant(0.0, "float32"))

    def replace(self, m: Match) -> Value:
        return cast(m.c, m.root.results[0].dtype)


class CastGreaterZero(Rule):
    """cast(x > 0) -> positive(x)"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Cast("float32")(greater(x, 0.0))

    def replace(self, m: Match) -> Value | Declined:
        same = m.x.type.is_float and m.x.dtype == m.op(Cast).dtype
        return Positive()(m.x) if same else Declined("the dtype changes")


class WhereNested(Rule):
    """where(c, where(d, x, z), z) -> where(c and d, x, z)"""

    operands = examples(c=CONDITION, d=CONDITION, x=f32(2, 3), z=f32(2, 3))
    exclusive = True

    def pattern(self, c: Value, d: Value, x: Value, z: Value) -> Value:
        return Where()(c, Where()(d, x, z), z)

    def replace(self, m: Match) -> Value | Declined:
        both = And()(m.c, m.d)
        if elements(both) > max(elements(m.c), elements(m.d)):
            return Declined("the joint condition would be larger than both")
        return where(both, m.x, m.z)


class WhereAgain(Rule):
    """where(c, where(c, x, y), z) -> where(c, x, z)"""

    operands = examples(c=CONDITION, x=f32(2, 3), y=f32(2, 3), z=f32(2, 3))

    def pattern(self, c: Value, x: Value, y: Value, z: Value) -> Value:
        return Where()(c, Where()(c, x, y), z)

    def replace(self, m: Match) -> Value:
        return where(m.c, m.x, m.z)


class WhereGuardedQuotient(Rule):
    """where(c, x, y / where(c, a, z)) -> where(c, x, y / z)

    What is divided by where c holds is not taken. That the gradient there would not be finite no longer matters.
    """

    operands = examples(c=CONDITION, x=f32(2, 3), y=f32(2, 3), a=f32(2, 3), z=f32(2, 3))
    exclusive = True

    def pattern(self, c: Value, x: Value, y: Value, a: Value, z: Value) -> Value:
        return Where()(c, x, div(y, Where()(c, a, z)))

    def replace(self, m: Match) -> Value:
        return where(m.c, m.x, div(m.y, m.z))


class NotNot(Rule):
    """not not c -> c"""

    operands = C

    def pattern(self, c: Value) -> Value:
        return Not()(Not()(c))

    def replace(self, m: Match) -> Value:
        return m.c


class NotEqualZero(Rule):
    """not (n == 0) -> cast(n) to bool, for integers n"""

    operands = examples(n=TensorType("int32", (2, 3)))

    def pattern(self, n: Value) -> Value:
        return Not()(equal(n, 0))

    def replace(self, m: Match) -> Value | Declined:
        return Declined("not of integers") if m.n.type.is_float else cast(m.n, "bool")


class AndSame(Rule):
    """c and c -> c"""

    operands = C

    def pattern(self, c: Value) -> Value:
        return And()(c, c)

    def replace(self, m: Match) -> Value:
        return m.c


class OrSame(Rule):
    """c or c -> c"""

    operands = C

    def pattern(self, c: Value) -> Value:
        return Or()(c, c)

    def replace(self, m: Match) -> Value:
        return m.c


class AndTrue(Rule):
    """c and true -> c"""

    operands = C

    def pattern(self, c: Value) -> Value:
        return And()(c, constant(True))

    def replace(self, m: Match) -> Value:
        return m.c


class OrFalse(Rule):
    """c or false -> c"""

    operands = C

    def pattern(self, c: Value) -> Value:
        return Or()(c, constant(False))

    def replace(self, m: Match) -> Value:
        return m.c


class CastSame(Rule):
    """cast(x) -> x, where the dtype stays"""

    operands = examples(x=f32(2, 3))

    def pattern(self, x: Value) -> Value:
        return Cast("float32")(x)

    def replace(self, m: Match) -> Value | Declined:
        return m.x if m.x.dtype == m.op(Cast).dtype else Declined("the dtype changes")


class CastOfCast(Rule):
    """cast(cast(x)) -> cast(x), where the dtype between holds every value of x"""

    operands = examples(x=TensorType("int32", (2, 3)))

    def pattern(self, x: Value) -> Value:
        return Cast("float32")(Cast("float64")(x))

    def replace(self, m: Match) -> Value | Declined:
        between, last = m.call(Cast, 1).results[0].dtype, m.op(Cast).dtype
        if not holds(between, m.x.dtype):
            return Declined(f"{between} does not hold every {m.x.dtype}")
        return cast(m.x, last)


def holds(wide: str, narrow: str) -> bool:
    """Whether a dtype has every value of another. NumPy calls int64 to float64 safe too, which rounds."""
    if "bfloat16" in (wide, narrow):
        return wide == narrow or wide in ("float32", "float64")
    if wide == "float64" and narrow in ("int64", "uint64"):
        return False
    return bool(np.can_cast(narrow, wide, "safe"))


RULES = (
    WhereSame(),
    WhereKnown(),
    WhereNot(),
    WhereOneZero(),
    CastGreaterZero(),
    WhereNested(),
    WhereAgain(),
    NotNot(),
    NotEqualZero(),
    AndSame(),
    OrSame(),
    AndTrue(),
    OrFalse(),
    CastSame(),
    CastOfCast(),
)

AFTER_DIFFERENTIATION = (WhereGuardedQuotient(),)
"""Where a quotient is guarded twice, one guard is for its gradient."""
