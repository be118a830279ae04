"""Activation functions: tensor to tensor, same shape unless it says otherwise. Each also has its name as a string."""

from __future__ import annotations

from typing import Any

from kgraph.keras import backend as K
from kgraph.keras.backend.math import as_float as _as_float
from kgraph.keras.legacy import legacy
from kgraph.keras.tensor import Tensor
from kgraph.keras.utils.lookup import Lookup
from kgraph.ops import activations as ops


def linear(x: Any) -> Any:
    """x."""
    return x


@legacy(negative_slope="alpha")
def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """min(f(x), max_value) with f(x) = x where x > threshold, else negative_slope (x - threshold)."""
    return K.relu(x, negative_slope, max_value, threshold)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x where x > 0, else negative_slope x."""
    return K.relu(x, negative_slope)


def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6)."""
    return K.relu(x, max_value=6.0)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (exp(x) - 1). Clevert et al., 2016."""
    return K.elu(x, alpha)


def selu(x: Any) -> Tensor:
    """1.0507 elu(x, 1.6733), which keeps activations normalised. Klambauer et al., 2017."""
    return Tensor(ops.selu(_as_float(x)))


def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """max(x, 0) + min(alpha (exp(x / alpha) - 1), 0). Barron, 2017."""
    return K.relu(x) + alpha * (K.exp(K.minimum(x, 0.0) / alpha) - 1.0)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `axis`."""
    return K.softmax(x, axis)


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """The logarithm of the softmax."""
    return K.log_softmax(x, axis)


def softplus(x: Any) -> Tensor:
    """log(1 + exp(x))."""
    return K.softplus(x)


def softsign(x: Any) -> Tensor:
    """x / (1 + |x|)."""
    return K.softsign(x)


def tanh(x: Any) -> Tensor:
    """The hyperbolic tangent."""
    return K.tanh(x)


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x))."""
    return K.sigmoid(x)


def log_sigmoid(x: Any) -> Tensor:
    """-log(1 + exp(-x))."""
    return -K.softplus(-Tensor(_as_float(x)))


def hard_sigmoid(x: Any) -> Tensor:
    """min(max(x / 6 + 1/2, 0), 1), as in Keras 3. (In Keras 2, and in K, the slope was 0.2.)"""
    return Tensor(ops.HardSigmoid(1 / 6, 0.5)(_as_float(x)))


def hard_sigmoid_keras2(x: Any) -> Tensor:
    """min(max(x / 5 + 1/2, 0), 1): what files of Keras 1 and 2 mean by hard_sigmoid."""
    return K.hard_sigmoid(x)


def exponential(x: Any) -> Tensor:
    """exp(x)."""
    return K.exp(x)


def silu(x: Any) -> Tensor:
    """x sigmoid(x), also called swish. Ramachandran et al., 2017."""
    return Tensor(ops.swish(_as_float(x)))


def hard_silu(x: Any) -> Tensor:
    """x hard_sigmoid(x), also called hard swish. Howard et al., 2019."""
    return Tensor(_as_float(x)) * hard_sigmoid(x)


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x P(N < x) for a standard normal N, with `approximate` by way of a tanh. Hendrycks and Gimpel, 2016."""
    return Tensor(ops.gelu(_as_float(x), approximate))


def mish(x: Any) -> Tensor:
    """x tanh(softplus(x)). Misra, 2019."""
    return Tensor(_as_float(x)) * K.tanh(K.softplus(x))


def hard_tanh(x: Any) -> Tensor:
    """min(max(x, -1), 1)."""
    return K.clip(x, -1.0, 1.0)


def tanh_shrink(x: Any) -> Tensor:
    """x - tanh(x)."""
    return Tensor(_as_float(x)) - K.tanh(x)


def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x where |x| > threshold, else 0."""
    return K.switch(K.abs(x) > threshold, x, 0.0)


def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x drawn towards 0 by `threshold`, and 0 where |x| is not above it."""
    return K.relu(x - threshold) - K.relu(-x - threshold)


def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """x where x > threshold, else default_value."""
    return K.switch(x > threshold, x, default_value)


def squareplus(x: Any, b: float = 4.0) -> Tensor:
    """(x + sqrt(x^2 + b)) / 2. Barron, 2021."""
    return (x + K.sqrt(K.square(x) + b)) / 2.0


def sparse_plus(x: Any) -> Tensor:
    """x where x >= 1, 0 where x <= -1, and (x + 1)^2 / 4 between."""
    return K.switch(x > 1.0, x, K.square(K.relu(x + 1.0)) / 4.0)


def glu(x: Any, axis: int = -1) -> Tensor:
    """a sigmoid(b), where a and b are the halves of x along `axis`, which is halved. Dauphin et al., 2017."""
    tensor = Tensor(_as_float(x))
    half = K.shape(tensor)[axis] // 2
    key: list[Any] = [slice(None)] * tensor.ndim
    key[axis] = slice(0, half.dim)
    first = tensor[tuple(key)]
    key[axis] = slice(half.dim, half.dim * 2)
    return first * K.sigmoid(tensor[tuple(key)])


swish, hard_swish = silu, hard_silu

_LOOKUP = Lookup("activation", globals())
serialize, deserialize = _LOOKUP.serialize, _LOOKUP.deserialize


def get(identifier: Any) -> Any:
    """The activation for a name, its plain data, a callable (which stays itself) or None (linear).

    Raises ArgumentError for an unknown name and for what cannot be called.
    """
    return linear if identifier is None else _LOOKUP.get(identifier)
