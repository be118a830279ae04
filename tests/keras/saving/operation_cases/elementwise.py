"""Cases for the operations element by element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.keras.saving.operation_cases.ways import Case, activation


def _binary(name: str) -> Case:
    """Numbers on either side, arrays, broadcasting, and each pair of dtypes."""

    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        row = np.array([1, 2, 3, 4], "float32")
        pairs = [
            (f, f[:, :1]),
            (f, i),
            (i, f),
            (i, i[:, :, :1]),
            (f, 2),
            (1.5, f),
            (i, 2),
            (3, i),
            (i, 1.5),
            (row, f),
        ]
        if name != "subtract":
            pairs += [(b, b[:, ::-1]), (True, b)]
        pairs += [(b, i), (b, f), (b, 2), (0.5, b), (f, True)]
        if (
            name == "power"
        ):  # of negative numbers only whole powers are numbers, of zero and integers only positive
            pairs = [
                (abs(f) + 0.5, f),
                (f, 2),
                (2, f),
                (2.5, i),
                (i, 2),
                (i, abs(i)),
                (abs(f), 0.5),
                (2, b),
                (b, 2),
            ]
        return [g(x, y) for x, y in pairs]

    return outputs


def _unary(name: str, numbers: bool = False, flags: bool = True) -> Case:
    """`numbers` says that it is one of positive numbers, `flags` whether it takes Booleans."""

    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        f, i = (abs(f) + 0.5, abs(i) + 1) if numbers else (f, i)
        return [g(f), g(i), *([g(b)] if flags else [])]

    return outputs


def _quotient(name: str) -> Case:
    """Of either sign, where a rounded quotient would be one too many, and by zero."""

    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        row = np.array([1.0, -1.0, 0.6, -7.5], "float32")
        pairs = [
            (f, abs(f) + 0.3),
            (f, -abs(f) - 0.3),
            (f, 0.5),
            (f, -2),
            (3, abs(f) + 0.2),
            (row, abs(f) + 0.1),
        ]
        pairs += [(ops.zeros_like(f) + row, 0.1), (ops.zeros_like(f) + 6 * row, -0.2)]
        pairs += [
            (i, 2),
            (i, -2),
            (i, abs(i) + 1),
            (i, i),
            (7, -abs(i) - 1),
            (i, 1.5),
            (b, 2),
            (f, i * i + 1),
        ]
        return [g(x, y) for x, y in pairs]

    return outputs


def _question(name: str) -> Case:
    """Of what is infinite, and of what is not a number."""

    def outputs(ops: Any, f: Any, i: Any, b: Any) -> list[Any]:
        g = getattr(ops, name)
        row = np.array([1, np.inf, -np.inf, np.nan], "float32")
        return [g(f), g(f + row), g(f * row), g(i), g(b)]

    return outputs


ELEMENTWISE: Mapping[str, Case] = {
    "Absolute": _unary("absolute"),
    "Add": _binary("add"),
    "Arctan": lambda ops, f, i, b: [ops.arctan(f), ops.arctan(f * 30), ops.arctan(i), ops.arctan(b)],
    "Ceil": _unary("ceil"),
    "Clip": lambda ops, f, i, b: [ops.clip(f, -0.5, 0.5), ops.clip(i, -1, 2), ops.clip(b, 0, 1)],
    "Cos": _unary("cos"),
    "Cosh": _unary("cosh"),
    "Divide": lambda ops, f, i, b: [
        ops.divide(f, abs(f) + 1),
        ops.divide(f, abs(i) + 1),
        ops.divide(i, abs(i) + 1),
        ops.divide(i, 2),
        ops.divide(1, abs(i) + 1),
        ops.divide(f, 0.3),
        ops.divide(b, 2),
        ops.divide(i, f),
    ],
    "Equal": _binary("equal"),
    "Exp": _unary("exp"),
    "Expm1": lambda ops, f, i, b: [ops.expm1(f), ops.expm1(i), ops.expm1(b), ops.expm1(f * 1e-5) * 1e5],
    "Floor": _unary("floor"),
    "FloorDivide": _quotient("floor_divide"),
    "FullLike": lambda ops, f, i, b: [
        ops.full_like(f, 2.5),
        ops.full_like(i, 3),
        ops.full_like(b, True),
        ops.full_like(f, 1, dtype="int32"),
    ],
    "Greater": _binary("greater"),
    "GreaterEqual": _binary("greater_equal"),
    "Isfinite": _question("isfinite"),
    "Isinf": _question("isinf"),
    "Isnan": _question("isnan"),
    "Less": _binary("less"),
    "LessEqual": _binary("less_equal"),
    "Log": _unary("log", numbers=True, flags=False),
    "Log10": _unary("log10", numbers=True, flags=False),
    "Log1p": lambda ops, f, i, b: [
        ops.log1p(abs(f) - 0.4),
        ops.log1p(abs(i)),
        ops.log1p(b),
        ops.log1p(f * 1e-5) * 1e5,
    ],
    "Log2": _unary("log2", numbers=True, flags=False),
    "LogicalAnd": _binary("logical_and"),
    "LogicalNot": _unary("logical_not"),
    "LogicalOr": _binary("logical_or"),
    "LogicalXor": _binary("logical_xor"),
    "Maximum": _binary("maximum"),
    "Minimum": _binary("minimum"),
    "Mod": _quotient("mod"),
    "Multiply": _binary("multiply"),
    "Negative": _unary("negative", flags=False),
    "NotEqual": _binary("not_equal"),
    "OnesLike": lambda ops, f, i, b: [ops.ones_like(f), ops.ones_like(b), ops.ones_like(i, dtype="float32")],
    "Power": _binary("power"),
    "Reciprocal": lambda ops, f, i, b: [ops.reciprocal(abs(f) + 0.5)],
    "Round": lambda ops, f, i, b: [ops.round(f), ops.round(f * 4), ops.round(f, 1), ops.round(i)],
    "Sign": _unary("sign", flags=False),
    "Sin": _unary("sin"),
    "Sinh": lambda ops, f, i, b: [ops.sinh(f), ops.sinh(i), ops.sinh(b), ops.sinh(f * 1e-3) * 1e3],
    "Sqrt": lambda ops, f, i, b: [ops.sqrt(f), ops.sqrt(abs(i)), ops.sqrt(b)],
    "Square": _unary("square"),
    "Subtract": _binary("subtract"),
    "Tan": lambda ops, f, i, b: [ops.tan(f * 0.4), ops.tan(i * 5), ops.tan(b)],
    "Tanh": activation("tanh"),
    "TrueDivide": lambda ops, f, i, b: [
        ops.true_divide(f, 2),
        ops.true_divide(i, 2),
        ops.true_divide(f, abs(f) + 1),
    ],
    "Where": lambda ops, f, i, b: [
        ops.where(b, f, 0.0),
        ops.where(f > 0, f, i),
        ops.where(b[:, 0, :], f[:, 1], -1),
        ops.where(b, i, 2),
        ops.where(b[:, :, :1], 1.0, f),
        ops.where(b, i, 0.5),
        ops.where(b[:1, 0], f, i),
        ops.where(b, b, False),
        ops.where(i, f, 1),
    ],
    "ZerosLike": lambda ops, f, i, b: [
        ops.zeros_like(f),
        ops.zeros_like(b),
        ops.zeros_like(i, dtype="float32"),
    ],
}
