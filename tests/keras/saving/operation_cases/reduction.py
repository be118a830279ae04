"""Cases for the operations along axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.keras.saving.operation_cases.ways import Case


def _reduction(name: str) -> Case:
    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        small = ops.cast(i, "int8")
        return [
            g(f, axis=1), g(f, axis=(1, -1)), g(f, axis=-1, keepdims=True), g(f, axis=[2, 1], keepdims=True),
            g(i, axis=1), g(b, axis=2), g(small, axis=2), g(f[:, 0], axis=None, keepdims=True) + f[:, 0, :1],
        ]  # fmt: skip

    return outputs


def _truth(name: str) -> Case:
    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        return [g(f, axis=1), g(b, axis=(1, 2)), g(i, axis=-1, keepdims=True)]

    return outputs


def _position(name: str) -> Case:
    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        return [g(f, axis=1), g(f, axis=-1, keepdims=True), g(i, axis=2), g(b, axis=2)]

    return outputs


def _spread(name: str) -> Case:
    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        return [g(f, axis=1), g(f, axis=(1, -1), keepdims=True), g(i, axis=2), g(b, axis=[1, 2])]

    return outputs


def _cumulative(name: str) -> Case:
    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        small = ops.cast(i, "int8")
        return [
            g(f, axis=1), g(f, axis=-1), g(i, axis=2), g(b, axis=1), g(small, axis=1), g(i, axis=1, dtype="float32"),
            g(f[0]),
        ]  # fmt: skip

    return outputs


REDUCTION: Mapping[str, Case] = {
    "All": _truth("all"),
    "Amax": _reduction("amax"),
    "Amin": _reduction("amin"),
    "Any": _truth("any"),
    "Argmax": _position("argmax"),
    "Argmin": _position("argmin"),
    "CountNonzero": lambda ops, f, i, b: [
        ops.count_nonzero(f, axis=1),
        ops.count_nonzero(i, axis=(1, 2)),
        ops.count_nonzero(b, axis=-1),
    ],
    "Cumprod": _cumulative("cumprod"),
    "Cumsum": _cumulative("cumsum"),
    "Max": _reduction("max"),
    "Mean": _reduction("mean"),
    "Min": _reduction("min"),
    "Prod": lambda ops, f, i, b: [*_reduction("prod")(ops, f, i, b), ops.prod(i, axis=1, dtype="float32")],
    "Std": _spread("std"),
    "Sum": _reduction("sum"),
    "Var": _spread("var"),
}
