"""Within a step, write what is linear in a carried value as that value times a factor which can be hoisted.

A gradient multiplies the cotangent that arrives from the next step by one known number after the other, and adds such
products. Taken together the known numbers are one factor, and it does not depend on any carry:
`HoistFromScans` then computes it for all steps at once, and one multiplication is left in the loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kgraph.ir.graph import Call, Constant, Function, Result, Value, exact_scope, transform
from kgraph.ops.base import as_value
from kgraph.ops.broadcast import BroadcastTo
from kgraph.ops.elementwise import Add, Mul, Neg, Sub, add, mul, neg, sub
from kgraph.ops.logic import Where, where
from kgraph.ops.scan import Scan
from kgraph.passes.base import Pass, register


@register("factor_scans")
@dataclass(frozen=True)
class FactorScans(Pass):
    """(x a) b -> x (a b);  x a + x b -> x (a + b);  where(m, x, 0) -> x where(m, 1, 0); where x depends on a carry and
    a, b, m do not.

    Products are reassociated, so results change in their last digits, and a mask no longer hides an infinite or
    undefined x.
    """

    def __call__(self, function: Function, hits: Counter[str]) -> Function:
        def visit(call: Call, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(call.op, Scan):
                return None
            body = _Factoring(call.op, hits).body()
            return None if body is call.op.body else replace(call.op, body=body).apply(*inputs)

        return transform(function, visit)


@dataclass(frozen=True)
class _Product:
    """base * factor, where the base depends on a carry and the factor does not; a factor of None is 1."""

    base: Value
    factor: Value | None = None


class _Factoring:
    """Rebuilds the body of one scan, with products carried out as late as possible."""

    def __init__(self, op: Scan, hits: Counter[str]) -> None:
        self.old, self.hits = op.body, hits
        self.carried: set[Value] = set(op.body.inputs[: op.carries])
        """Values of the new body that depend on a carry."""
        self.products: dict[Value, _Product] = {}
        """What results of the old body are in the new one."""
        self.multiplied: dict[_Product, Value] = {}
        self.combined = 0

    def body(self) -> Function:
        for call in self.old.calls():
            with exact_scope(call.where):
                self._visit(call)
        if not self.combined:
            return self.old
        self.hits["combined"] += self.combined
        return replace(self.old, outputs={key: self._value(v) for key, v in self.old.outputs.items()})

    def _visit(self, call: Call) -> None:
        product = self._combine(call)
        if product is not None and product.base.shape == call.results[0].shape:
            self.products[call.results[0]] = product
            return
        inputs = tuple(self._value(value) for value in call.inputs)
        same = all(a is b for a, b in zip(inputs, call.inputs, strict=True))
        results = call.results if same else call.op.apply(*inputs)
        if any(value in self.carried for value in inputs):
            self.carried.update(results)
        for old, new in zip(call.results, results, strict=True):
            self.products[old] = _Product(new)

    def _combine(self, call: Call) -> _Product | None:
        """The result of a call as a product that has not to be carried out yet, or None."""
        op = call.op
        if isinstance(op, Mul):
            return self._scaled(*call.inputs) or self._scaled(*call.inputs[::-1])
        if isinstance(op, Neg):
            x = self._product(call.inputs[0])
            if x is None or x.factor is None:
                return None
            return self._count(_Product(x.base, neg(x.factor)))
        if isinstance(op, Add | Sub):
            return self._summed(add if isinstance(op, Add) else sub, *call.inputs)
        if isinstance(op, Where):
            return self._selected(*call.inputs)
        return None

    def _scaled(self, x: Value, a: Value) -> _Product | None:
        product = self._product(x)
        if product is None or self._product(a) is not None:
            return None
        factor = self._value(a)
        if product.factor is None:
            return _Product(product.base, factor)
        return self._count(_Product(product.base, mul(product.factor, factor)))

    def _summed(self, combine: Callable[[Value, Value], Value], x: Value, y: Value) -> _Product | None:
        first, second = self._product(x), self._product(y)
        if first is None or second is None or first.base is not second.base:
            return None
        return self._count(_Product(first.base, combine(_factor(first), _factor(second))))

    def _selected(self, condition: Value, x: Value, y: Value) -> _Product | None:
        first, second = self._product(x), self._product(y)
        if self._product(condition) is not None:
            return None
        test = self._value(condition)
        if first is not None and _is_zero(y):
            return self._count(_Product(first.base, where(test, _factor(first), 0.0)))
        if second is not None and _is_zero(x):
            return self._count(_Product(second.base, where(test, 0.0, _factor(second))))
        if first is None or second is None or first.base is not second.base:
            return None
        return self._count(_Product(first.base, where(test, _factor(first), _factor(second))))

    def _count(self, product: _Product) -> _Product:
        self.combined += 1
        return product

    def _product(self, value: Value) -> _Product | None:
        """What a value of the old body is, if it depends on a carry."""
        product = self.products.get(value, _Product(value))
        return product if product.base in self.carried else None

    def _value(self, value: Value) -> Value:
        """What stands for a value of the old body, with its product carried out."""
        product = self.products.get(value, _Product(value))
        if product.factor is None:
            return product.base
        if product not in self.multiplied:
            self.multiplied[product] = mul(product.base, product.factor)
            self.carried.add(self.multiplied[product])
        return self.multiplied[product]


def _factor(product: _Product) -> Value:
    return as_value(1.0, product.base.dtype) if product.factor is None else product.factor


def _is_zero(value: Value) -> bool:
    if isinstance(value, Result) and isinstance(value.call.op, BroadcastTo):
        value = value.call.inputs[0]
    return isinstance(value, Constant) and not np.any(value.array)
