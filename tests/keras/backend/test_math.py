"""Elementary functions, reductions and products of K against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kgraph.errors import ShapeError
from kgraph.keras import backend as K
from kgraph.ops.samples import bools, floats, integers
from tests.keras.tracing import values

X = floats(3, 4, low=-2, high=2)
POSITIVE = floats(3, 4, low=0.1, high=2)


@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("abs", X, np.abs(X)),
        ("exp", X, np.exp(X)),
        ("log", POSITIVE, np.log(POSITIVE)),
        ("sqrt", X, np.sqrt(np.maximum(X, 0))),
        ("square", X, X * X),
        ("sin", X, np.sin(X)),
        ("cos", X, np.cos(X)),
        ("sign", X, np.sign(X)),
        ("round", X, np.rint(X)),
        ("exp", integers(3), np.exp(integers(3)).astype("float32")),
    ],
)
def test_elementary_functions_agree_with_numpy(name: str, x: Any, expected: Any) -> None:
    np.testing.assert_allclose(values(getattr(K, name), x), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "min", "var", "std"])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), [1, 2]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_agree_with_numpy(name: str, axis: Any, keepdims: bool) -> None:
    x = floats(2, 3, 4)
    made = values(lambda t: getattr(K, name)(t, axis, keepdims), x)
    wanted = getattr(np, name)(x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims)
    np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-6)


def test_reductions_of_booleans_count_and_average() -> None:
    flags = bools(5, 3)
    assert values(K.sum, flags) == flags.sum()
    np.testing.assert_allclose(values(K.mean, flags), flags.mean(), rtol=1e-6)
    assert values(lambda t: K.mean(K.equal(t, t)), X) == 1
    np.testing.assert_array_equal(values(lambda t: K.any(t, 0), flags), flags.any(0))
    np.testing.assert_array_equal(values(lambda t: K.all(t, 1, True), flags), flags.all(1, keepdims=True))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("maximum", np.maximum),
        ("minimum", np.minimum),
        ("equal", np.equal),
        ("not_equal", np.not_equal),
        ("greater", np.greater),
        ("greater_equal", np.greater_equal),
        ("less", np.less),
        ("less_equal", np.less_equal),
    ],
)
def test_two_operands_of_any_kind_meet(name: str, function: Callable[..., Any]) -> None:
    k = getattr(K, name)
    small = integers(4, low=-2, high=3)
    np.testing.assert_array_equal(values(k, X, X[:1]), function(X, X[:1]))
    np.testing.assert_array_equal(values(k, X, small), function(X, small))
    np.testing.assert_array_equal(values(lambda t: k(t, 0.5), X), function(X, np.float32(0.5)))
    np.testing.assert_array_equal(values(lambda t: k(0.5, t), X), function(np.float32(0.5), X))


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (None, 0.5), (0, None), (1.0, -1.0)])
def test_clip_takes_numbers_none_and_tensors(bounds: tuple[Any, Any]) -> None:
    low, high = (-np.inf if bounds[0] is None else bounds[0]), (np.inf if bounds[1] is None else bounds[1])
    wanted = np.maximum(np.minimum(X, high), low)
    np.testing.assert_array_equal(values(lambda t: K.clip(t, *bounds), X), wanted.astype("float32"))
    tensors = [None if b is None else K.constant(np.full(4, b)) for b in bounds]
    np.testing.assert_array_equal(values(lambda t: K.clip(t, *tensors), X), wanted.astype("float32"))


def test_pow_cast_and_searches() -> None:
    np.testing.assert_allclose(values(lambda t: K.pow(t, 3), X), X**3, rtol=1e-6)
    np.testing.assert_array_equal(values(lambda t: K.cast(t, "int32"), X), X.astype("int32"))
    np.testing.assert_array_equal(values(K.argmax, X), X.argmax(-1))
    np.testing.assert_array_equal(values(lambda t: K.argmin(t, 0), X), X.argmin(0))


def test_running_sums_and_products() -> None:
    np.testing.assert_allclose(values(lambda t: K.cumsum(t, 1), X), X.cumsum(1), rtol=1e-6)
    for axis in (0, 1):
        made = values(lambda t, axis=axis: K.cumprod(t, axis), X, static=True)
        np.testing.assert_allclose(made, X.cumprod(axis), rtol=1e-6)
    with pytest.raises(ShapeError, match="static axis"):
        values(K.cumprod, X)


def test_logsumexp_and_l2_normalize_stay_finite() -> None:
    large = np.array([[900.0, 901.0], [-900.0, -901.0]], "float32")
    wanted = np.log(np.exp([-1.0, 0.0]).sum()) + np.array([901.0, -900.0])
    np.testing.assert_allclose(values(lambda t: K.logsumexp(t, 1), large), wanted, rtol=1e-6)
    unit = values(lambda t: K.l2_normalize(t, -1), X)
    np.testing.assert_allclose(np.square(unit).sum(-1), 1, rtol=1e-6)
    assert not values(K.l2_normalize, np.zeros(3, "float32")).any()


def test_distances_have_finite_gradients_where_they_are_zero() -> None:
    def gradient(x: Any) -> Any:
        return K.gradients(K.sqrt(K.sum(K.square(x), -1)), x)[0]

    assert np.isfinite(values(gradient, np.zeros((2, 3), "float32"))).all()


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(
    ("a", "b"), [((2, 3), (3, 4)), ((2, 5, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((3,), (3, 4)), ((2, 3), (3,))]
)
def test_dot_contracts_the_last_axis_with_the_last_but_one(a: Any, b: Any, static: bool) -> None:
    x, y = floats(*a), floats(*b)
    np.testing.assert_allclose(values(K.dot, x, y, static=static), np.dot(x, y), rtol=1e-5)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize(
    ("a", "b", "axes", "formula"),
    [
        ((2, 3), (2, 3), 1, "bi,bi->b"),
        ((2, 3), (2, 3), None, "bi,bi->b"),
        ((2, 3, 4), (2, 4, 5), None, "bij,bjk->bik"),
        ((2, 3, 4), (2, 5, 4), 2, "bij,bkj->bik"),
        ((2, 4, 3), (2, 4, 5), 1, "bji,bjk->bik"),
        ((2, 4, 3), (2, 5, 4), (1, 2), "bji,bkj->bik"),
        ((2, 3, 4), (2, 4), (2, 1), "bij,bj->bi"),
        ((2, 4), (2, 4, 3), (1, 1), "bj,bjk->bk"),
        ((2, 4), (2, 3, 4), -1, "bj,bkj->bk"),
        ((2, 3, 4, 5), (2, 4, 6), (2, 1), "bijk,bjl->bikl"),
        ((2, 3, 4, 5), (2, 6, 5, 7), (3, 2), "bijk,blkm->bijlm"),
        ((2, 4), (2, 4), (1, 1), "bi,bi->b"),
    ],
)
def test_batch_dot_is_an_einsum(a: Any, b: Any, axes: Any, formula: str, static: bool) -> None:
    x, y = floats(*a), floats(*b)
    wanted = np.einsum(formula, x, y)
    made = values(lambda s, t: K.batch_dot(s, t, axes), x, y, static=static)
    np.testing.assert_allclose(made, wanted if wanted.ndim > 1 else wanted[:, None], rtol=1e-5)


def test_batch_dot_names_axes_that_do_not_match() -> None:
    with pytest.raises(ValueError, match="axes do not match"):
        K.batch_dot(K.placeholder((None, 3)), K.placeholder((None, 4)), 1)
    with pytest.raises(ValueError, match="axes do not match"):
        K.batch_dot(K.placeholder((None, 3)), K.placeholder((None, 3)), 0)
    with pytest.raises(ValueError, match="rank 2 or more"):
        K.batch_dot(K.placeholder((None,)), K.placeholder((None, 3)))
