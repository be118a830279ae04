"""Activations, cross entropies and normalisation of K against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgraph.keras import backend as K
from kgraph.ops.samples import floats, integers
from tests.keras.tracing import values

X = floats(3, 4, low=-3, high=3)


@pytest.mark.parametrize("alpha", [0.0, 0.2, np.array([0.1, 0.2, 0.3, 0.4], "float32")])
@pytest.mark.parametrize("max_value", [None, 1.5])
@pytest.mark.parametrize("threshold", [0.0, 0.7, -0.7])
def test_relu_follows_its_formula(alpha: Any, max_value: Any, threshold: float) -> None:
    made = values(lambda t: K.relu(t, alpha, max_value, threshold), X)
    wanted = np.where(threshold < X, X, alpha * (X - np.float32(threshold)))
    np.testing.assert_allclose(
        made, wanted if max_value is None else np.minimum(wanted, max_value), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("hard_sigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
        ("softplus", lambda x: np.log1p(np.exp(x))),
        ("softsign", lambda x: x / (1 + abs(x))),
        ("tanh", np.tanh),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("softmax", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        ("log_softmax", lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True))),
    ],
)
def test_activations_follow_their_formulas(name: str, formula: Any) -> None:
    np.testing.assert_allclose(values(getattr(K, name), X), formula(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_bias_is_added_per_channel(data_format: str) -> None:
    x, bias = floats(2, 3, 4, 3), floats(3)
    along = bias if data_format == "channels_last" else bias[:, None, None]
    made = values(lambda t, b: K.bias_add(t, b, data_format), x, bias, static=True)
    np.testing.assert_allclose(made, x + along)
    with pytest.raises(ValueError, match="bias_add"):
        K.bias_add(x, x[0, 0], data_format)


def test_bias_per_position() -> None:
    x, bias = floats(2, 3, 4), floats(3, 4)
    np.testing.assert_allclose(values(lambda t, b: K.bias_add(t, b, "channels_last"), x, bias), x + bias)


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_normalization_with_given_and_own_statistics(axis: int) -> None:
    x = floats(4, 3, 5)
    others = tuple(a for a in range(3) if a != axis % 3)
    mean, var = x.mean(others), x.var(others)
    gamma, beta = floats(*mean.shape), floats(*mean.shape, low=0)
    shape = [1] * 3
    shape[axis] = -1
    m, v, g, b = (p.reshape(shape) for p in (mean, var, gamma, beta))
    wanted = (x - m) / np.sqrt(v + 1e-3) * g + b

    def given(t: Any, *p: Any) -> Any:
        return K.batch_normalization(t, *p, axis=axis)

    for parameters in ((mean, var, beta, gamma), (m, v, b, g)):
        made = values(given, x, *parameters, static=True)
        np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-5)
    y, own_mean, own_var = values(
        lambda t: list(K.normalize_batch_in_training(t, gamma, beta, others)), x, static=True
    )
    np.testing.assert_allclose(y, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own_mean, mean, atol=1e-6)
    np.testing.assert_allclose(own_var, var, rtol=1e-5)
    plain = values(
        lambda t, m, v: K.batch_normalization(t, m, v, None, None, axis), x, mean, var, static=True
    )
    np.testing.assert_allclose(plain, (x - m) / np.sqrt(v + 1e-3), rtol=1e-4, atol=1e-5)


def test_normalization_over_other_axes() -> None:
    x = floats(4, 3, 5)
    y, mean, var = values(lambda t: list(K.normalize_batch_in_training(t, None, None, [0])), x, static=True)
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3), rtol=1e-4, atol=1e-5)
    assert mean.shape == var.shape == (1, 3, 5)


def test_cross_entropies_of_probabilities_and_of_logits_agree() -> None:
    target = np.eye(4, dtype="float32")[integers(3, high=4)]
    labels = target.argmax(-1)
    p = values(K.softmax, X)
    from_p = values(K.categorical_crossentropy, target, p)
    np.testing.assert_allclose(from_p, -np.log((p * target).sum(-1)), rtol=1e-5)
    np.testing.assert_allclose(
        values(lambda t, x: K.categorical_crossentropy(t, x, True), target, X), from_p, rtol=1e-5
    )
    for y in (labels, labels[:, None], labels.astype("float32")):
        np.testing.assert_allclose(
            values(K.sparse_categorical_crossentropy, y, p, static=True), from_p, rtol=1e-5
        )
    made = values(lambda t, x: K.sparse_categorical_crossentropy(t, x, True), labels, X)
    np.testing.assert_allclose(made, from_p, rtol=1e-5)
    unscaled = values(K.categorical_crossentropy, target, p * 7)
    np.testing.assert_allclose(unscaled, from_p, rtol=1e-5)


def test_cross_entropies_along_another_axis() -> None:
    x, labels = floats(2, 4, 3), integers(2, 3, high=4)
    target = np.moveaxis(np.eye(4, dtype="float32")[labels], -1, 1)
    wanted = values(lambda t, x: K.categorical_crossentropy(t, x, True, 1), target, x)
    made = values(lambda t, x: K.sparse_categorical_crossentropy(t, x, True, axis=1), labels, x)
    np.testing.assert_allclose(made, wanted, rtol=1e-5)


def test_binary_cross_entropies_agree_and_stay_finite() -> None:
    target = (floats(3, 4) > 0).astype("float32")
    p = values(K.sigmoid, X)
    wanted = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    np.testing.assert_allclose(values(K.binary_crossentropy, target, p), wanted, rtol=1e-4)
    np.testing.assert_allclose(
        values(lambda t, x: K.binary_crossentropy(t, x, True), target, X), wanted, rtol=1e-5
    )
    assert np.isfinite(values(K.binary_crossentropy, [0.0, 1.0], np.array([1.0, 0.0], "float32"))).all()


def test_cross_entropies_name_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="target and output"):
        K.categorical_crossentropy(K.placeholder((None, 3)), K.placeholder((None, 4)))
    with pytest.raises(ValueError, match="labels and output"):
        K.sparse_categorical_crossentropy(K.placeholder((None, 3)), K.placeholder((None, 4)))
