"""Einstein's summation is NumPy's, for sizes that vary too."""

from __future__ import annotations

import numpy as np
import pytest

from kgraph.errors import ShapeError, UnsupportedError
from kgraph.ir.dims import symbol
from kgraph.ir.graph import Function, Input
from kgraph.ir.interpret import run
from kgraph.ir.types import TensorType
from kgraph.ops.einsum import einsum

SIZES = {"a": 2, "b": 3, "c": 4, "d": 5, "e": 6}


def leaf(name: str, *shape: int, varies: bool = False) -> Input:
    dims = tuple(symbol(f"n{size}") if varies else size for size in shape)
    return Input(name, TensorType("float64", dims))


@pytest.mark.parametrize("varies", [False, True])
@pytest.mark.parametrize(
    "subscripts",
    ["ab->ba", "ab,bc->ac", "abc,cde->abde", "aebd,acbd->abec", "abec,acbd->aebd", "ab,ab->", "ab,b->ab",
     "ab,bc,cd->ad", "abc,bd", "a,b->ab", "abc->b"],
)  # fmt: skip
def test_letters(subscripts: str, varies: bool) -> None:
    terms = subscripts.partition("->")[0].split(",")
    shapes = [tuple(SIZES[letter] for letter in term) for term in terms]
    assert_is_numpys(subscripts, shapes, varies)


@pytest.mark.parametrize("varies", [False, True])
@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("...a,ab->...b", [(3, 4, 2), (2, 5)]),
        ("ab...,bc->ac...", [(3, 4, 2, 6), (4, 5)]),
        ("...ab,...bc->...ac", [(3, 6, 2, 4), (6, 4, 5)]),
        ("...a->...", [(3, 4, 2)]),
        ("...ab,...b", [(3, 2, 4), (3, 4)]),
        ("...,a->a...", [(3, 4), (2,)]),
    ],
)
def test_an_ellipsis_stands_for_axes_without_a_letter(
    subscripts: str, shapes: list[tuple[int, ...]], varies: bool
) -> None:
    assert_is_numpys(subscripts, shapes, varies)


def test_axes_of_ellipses_broadcast() -> None:
    assert_is_numpys("...ab,...bc->...ac", [(1, 6, 2, 4), (3, 1, 4, 5)], False)


def assert_is_numpys(subscripts: str, shapes: list[tuple[int, ...]], varies: bool) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=shape) for shape in shapes]
    leaves = tuple(leaf(f"x{i}", *shape, varies=varies) for i, shape in enumerate(shapes))
    made = run(Function("f", leaves, {"y": einsum(subscripts, *leaves)}), arrays)[0]["y"]
    np.testing.assert_allclose(made, np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("subscripts", ["aa->a", "a1->a", "....a->a", "......->...", "a->aa"])
def test_other_signs_and_letters_twice_are_refused(subscripts: str) -> None:
    with pytest.raises(UnsupportedError, match="each once in a term"):
        einsum(subscripts, leaf("x", 2, 2))


def test_operands_that_do_not_fit_are_refused() -> None:
    for subscripts in ("a->a", "abc->a", "ab,bc->ac", "ab->ac"):
        with pytest.raises(ShapeError, match="do not fit"):
            einsum(subscripts, leaf("x", 2, 3))
    with pytest.raises(ShapeError, match="sizes of 'b' differ: 3 != 4"):
        einsum("ab,bc->ac", leaf("x", 2, 3), leaf("y", 4, 5))
