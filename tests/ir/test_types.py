"""Types: broadcasting agrees with NumPy's, and errors name what disagrees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kgraph.errors import ShapeError
from kgraph.ir.dims import Shape, symbol
from kgraph.ir.types import DTYPES, TensorType, broadcast_shapes, normalize_axis, type_of

BATCH, TIME = symbol("batch"), symbol("time")
SHAPES: list[tuple[int, ...]] = [(), (1,), (3,), (2, 3), (2, 1), (1, 3), (4, 1, 3), (0,), (2, 0)]


@pytest.mark.parametrize(("a", "b"), list(itertools.product(SHAPES, SHAPES)))
def test_broadcasting_agrees_with_numpy(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            broadcast_shapes(a, b)
    else:
        assert broadcast_shapes(a, b) == expected


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(BATCH, 3), (3,)], (BATCH, 3)),
        ([(BATCH, 1), (1, TIME)], (BATCH, TIME)),
        ([(BATCH,), (1,)], (BATCH,)),
        ([(BATCH,), (5,)], (5,)),  # the run checks that batch is 5
        ([(5,), (BATCH,)], (5,)),
        ([(BATCH,), (TIME,)], (BATCH,)),
        ([], ()),
    ],
)
def test_symbols_broadcast(shapes: list[Shape], expected: Shape) -> None:
    assert broadcast_shapes(*shapes) == expected


def test_a_type_prints_like_an_array() -> None:
    assert str(TensorType("float32", (BATCH, 2 * TIME, 3))) == "float32[batch, 2*time, 3]"
    assert str(TensorType("bool")) == "bool[]"


def test_types_compare_by_value() -> None:
    assert TensorType("int32", (BATCH, 2)) == TensorType("int32", (symbol("batch"), 2))
    assert len({TensorType("int32", (2,)), TensorType("int32", (2,)), TensorType("int64", (2,))}) == 2


def test_arrays_have_types() -> None:
    assert type_of(np.zeros((2, 3), "uint32")) == TensorType("uint32", (2, 3))
    assert type_of(np.asarray(1.5, "float32")) == TensorType("float32")


def test_an_unknown_dtype_is_refused_with_the_list() -> None:
    with pytest.raises(ShapeError, match="bfloat16") as caught:
        TensorType("complex64")
    assert all(dtype in str(caught.value) for dtype in DTYPES)


def test_a_symbolic_shape_is_not_static() -> None:
    assert TensorType("float32", (2, 3)).static_shape == (2, 3)
    with pytest.raises(ShapeError, match="static shape"):
        _ = TensorType("float32", (BATCH,)).static_shape


def test_axes_count_from_either_end() -> None:
    assert [normalize_axis(axis, 3) for axis in (-3, -1, 0, 2)] == [0, 2, 0, 2]
    for axis in (3, -4):
        with pytest.raises(ShapeError, match="-3 <= axis < 3"):
            normalize_axis(axis, 3)
