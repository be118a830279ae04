"""How each operation of Keras 3 between layers is used: on floats `f`, integers `i`, flags `b`, all [batch, 3, 4].

Each gives the outputs of one model. `f` has negative numbers, zeros and equal neighbours among others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Case = Callable[[Any, Any, Any, Any], list[Any]]


def data() -> list[np.ndarray[Any, Any]]:
    """Values of the inputs `f`, `i` and `b`."""
    random = np.random.default_rng(5)
    floats = random.normal(size=(5, 3, 4)).astype("float32")
    floats[:, 0, 1] = floats[:, 0, 0]
    floats[:, 1, 1] = 0
    floats[:, 2] = np.round(floats[:, 2] * 2) / 2
    integers = random.integers(-3, 4, (5, 3, 4)).astype("int32")
    integers[:, 0, 1] = integers[:, 0, 0]
    flags = random.random((5, 3, 4)) > 0.3
    flags[0, 0] = True
    flags[1, 1] = False
    return [floats, integers, flags]


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


def _activation(name: str, **settings: Any) -> Case:
    return lambda ops, f, i, b: [
        getattr(ops, name)(f * 3),
        *([getattr(ops, name)(f, **settings)] if settings else []),
    ]


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


CASES: Mapping[str, Case] = {
    "Absolute": _unary("absolute"),
    "Add": _binary("add"),
    "All": _truth("all"),
    "Any": _truth("any"),
    "Argmax": _position("argmax"),
    "Argmin": _position("argmin"),
    "Cast": lambda ops, f, i, b: [
        ops.cast(f * 2, "int32"),
        ops.cast(f, "bool"),
        ops.cast(i, "float32"),
        ops.cast(b, "int64"),
        ops.cast(f, "float16"),
        ops.cast(i, "bool"),
        ops.cast(b, "float32"),
    ],
    "Clip": lambda ops, f, i, b: [ops.clip(f, -0.5, 0.5), ops.clip(i, -1, 2), ops.clip(b, 0, 1)],
    "Concatenate": lambda ops, f, i, b: [
        ops.concatenate([f, f * 2]),
        ops.concatenate([f, i], axis=1),
        ops.concatenate([b, i], axis=-2),
        ops.concatenate([f[:, 0], f[:, 1], f[:, 2]], axis=-1),
    ],
    "Cos": _unary("cos"),
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
    "Elu": _activation("elu", alpha=0.5),
    "Equal": _binary("equal"),
    "Exp": _unary("exp"),
    "ExpandDims": lambda ops, f, i, b: [
        ops.expand_dims(f, 1),
        ops.expand_dims(i, -1),
        ops.expand_dims(f, (1, -1)),
        ops.expand_dims(f, (-1, 2)),
    ],
    "Flip": lambda ops, f, i, b: [ops.flip(f, axis=1), ops.flip(i, axis=-1), ops.flip(f, axis=(1, 2))],
    "Floor": _unary("floor"),
    "Gelu": _activation("gelu", approximate=False),
    "GetItem": lambda ops, f, i, b: [
        f[:, 0],
        f[:, -1, 1:],
        f[..., 1],
        f[:, None, 1],
        f[:, ::2],
        f[:, ::-1],
        i[:, 1:-1, 2],
        f[:, -2:, :3],
        b[:, 0],
    ],
    "Greater": _binary("greater"),
    "GreaterEqual": _binary("greater_equal"),
    "HardSigmoid": _activation("hard_sigmoid"),
    "HardSilu": _activation("hard_silu"),
    "LeakyRelu": _activation("leaky_relu", negative_slope=0.4),
    "Less": _binary("less"),
    "LessEqual": _binary("less_equal"),
    "Log": _unary("log", numbers=True, flags=False),
    "LogSoftmax": _activation("log_softmax", axis=1),
    "LogicalAnd": _binary("logical_and"),
    "LogicalNot": _unary("logical_not"),
    "LogicalOr": _binary("logical_or"),
    "Matmul": lambda ops, f, i, b: [
        ops.matmul(f, ops.transpose(f, (0, 2, 1))),
        ops.matmul(f, f[:, 0][:, :, None]),
        ops.matmul(f, np.eye(4, 2)),
        ops.matmul(f[:, None], np.ones((2, 4, 3), "float32")),
        ops.matmul(f, np.arange(4.0)),
        ops.matmul(np.arange(3.0), f),
        ops.matmul(f[:, 0], np.ones((4, 2), "float32")),
        ops.matmul(f, ops.transpose(i, (0, 2, 1))),
        ops.matmul(i, ops.transpose(i, (0, 2, 1))),
    ],
    "Max": _reduction("max"),
    "Maximum": _binary("maximum"),
    "Mean": _reduction("mean"),
    "Min": _reduction("min"),
    "Minimum": _binary("minimum"),
    "Multiply": _binary("multiply"),
    "Negative": _unary("negative", flags=False),
    "NotEqual": _binary("not_equal"),
    "Power": _binary("power"),
    "Prod": lambda ops, f, i, b: [*_reduction("prod")(ops, f, i, b), ops.prod(i, axis=1, dtype="float32")],
    "Relu": lambda ops, f, i, b: [ops.relu(f), ops.relu(i)],
    "Relu6": _activation("relu6"),
    "Reshape": lambda ops, f, i, b: [
        ops.reshape(f, (-1, 12)),
        ops.reshape(i, (-1, 2, 6)),
        ops.reshape(f, (-1,)),
        ops.reshape(f, (-1, 4)),
    ],
    "Round": lambda ops, f, i, b: [ops.round(f), ops.round(f * 4), ops.round(f, 1), ops.round(i)],
    "Selu": _activation("selu"),
    "Sigmoid": _activation("sigmoid"),
    "Sign": _unary("sign", flags=False),
    "Silu": _activation("silu"),
    "Sin": _unary("sin"),
    "Softmax": _activation("softmax", axis=1),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Sqrt": lambda ops, f, i, b: [ops.sqrt(f), ops.sqrt(abs(i)), ops.sqrt(b)],
    "Square": _unary("square"),
    "Squeeze": lambda ops, f, i, b: [
        ops.squeeze(f[:, :1], 1),
        ops.squeeze(f[:, :1, :1], (1, 2)),
        ops.squeeze(i[:, :, :1], -1),
    ],
    "Stack": lambda ops, f, i, b: [
        ops.stack([f, f * 2]),
        ops.stack([f, i], axis=-1),
        ops.stack([i, i, i], axis=1),
    ],
    "Subtract": _binary("subtract"),
    "Sum": _reduction("sum"),
    "Tanh": _activation("tanh"),
    "Transpose": lambda ops, f, i, b: [
        ops.transpose(f, (0, 2, 1)),
        ops.transpose(i),
        ops.transpose(b, (1, 0, 2)),
    ],
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
}
