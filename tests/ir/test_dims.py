"""Dimensions: canonical forms mean what the expressions mean, and equal ones are equal."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from kgraph.errors import ShapeError
from kgraph.ir.dims import (
    Dim,
    Sym,
    as_ints,
    bind_shape,
    divide_exactly,
    evaluate_dim,
    evaluate_shape,
    floordiv,
    is_non_negative,
    maximum,
    product,
    substitute_dim,
    symbol,
    symbol_name,
)

A, B, N = symbol("a"), symbol("b"), symbol("n")
Expression = tuple[Dim, Callable[[dict[str, int]], int]]


def random_expression(rng: random.Random, depth: int = 4) -> Expression:
    """A dimension, and what it must evaluate to, computed without dimensions."""
    if depth == 0 or rng.random() < 0.2:
        if rng.random() < 0.4:
            number = rng.randint(1, 5)
            return number, lambda env: number
        name = rng.choice(["a", "b", "n"])
        return symbol(name), lambda env: env[name]
    (left, f), (right, g) = random_expression(rng, depth - 1), random_expression(rng, depth - 1)
    kind = rng.choice(["+", "-", "*", "//", "max", "%"])
    if kind == "+":
        return left + right, lambda env: f(env) + g(env)
    if kind == "-":
        return left - right, lambda env: f(env) - g(env)
    if kind == "*":
        return left * right, lambda env: f(env) * g(env)
    if kind == "max":
        return maximum(left, right), lambda env: max(f(env), g(env))
    divisor = rng.randint(1, 4)
    if kind == "%":
        return left % divisor, lambda env: f(env) % divisor
    return left // divisor, lambda env: f(env) // divisor


@pytest.mark.parametrize("seed", range(200))
def test_an_expression_keeps_its_value(seed: int) -> None:
    rng = random.Random(seed)
    dim, meaning = random_expression(rng)
    for _ in range(10):
        env = {name: rng.randint(0, 9) for name in "abn"}
        assert evaluate_dim(dim, env) == meaning(env), f"{dim} with {env}"


@pytest.mark.parametrize("seed", range(100))
def test_substitution_commutes_with_evaluation(seed: int) -> None:
    rng = random.Random(seed)
    dim, _ = random_expression(rng)
    inner = {name: random_expression(rng, 2)[0] for name in "ab"}
    env = {name: rng.randint(0, 9) for name in "abn"}
    values = {**env, **{name: evaluate_dim(value, env) for name, value in inner.items()}}
    assert evaluate_dim(substitute_dim(dim, inner), env) == evaluate_dim(dim, values)


@pytest.mark.parametrize("seed", range(100))
def test_sums_and_products_are_canonical(seed: int) -> None:
    """The laws of a ring hold as equality of forms, not only of values."""
    rng = random.Random(seed)
    x, y, z = (random_expression(rng, 3)[0] for _ in range(3))
    assert x + y == y + x
    assert x * y == y * x
    assert (x + y) + z == x + (y + z)
    assert (x * y) * z == x * (y * z)
    assert x * (y + z) == x * y + x * z
    assert x - x == 0
    assert hash(x + y) == hash(y + x)


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (A * B // B, "a"),
        (A * 6 // 3, "2*a"),
        ((A * B + 2 * B) // B, "a+2"),
        (A + A, "2*a"),
        (2 * A - A - A, "0"),
        (A * B - 1, "a*b-1"),
        (-A + 3, "-a+3"),
        ((A - 3) // 2 + 1, "((a-3)//2)+1"),
        (maximum(A, A), "a"),
        (maximum(A, 4), "max(a, 4)"),
        (A % 4, "-4*((a)//4)+a"),
        (product([A, 2, B, 3]), "6*a*b"),
        (5 - A, "-a+5"),
        (7 // A, "((7)//a)"),
    ],
)
def test_forms_are_short(dim: Dim, text: str) -> None:
    assert str(dim).replace(" ", "") == text.replace(" ", "")


def test_what_cancels_is_an_integer_again() -> None:
    for dim in (A - A, A // A, (A * 3 + 6) // 3 - A, A * 0):
        assert isinstance(dim, int)


def test_exact_division_wants_one_monomial_that_divides_everything() -> None:
    assert divide_exactly(A * B + 2 * A, A) == B + 2
    assert divide_exactly(A * B + 2, A) is None
    assert divide_exactly(3 * A, 2) is None
    assert divide_exactly(A, 0) is None
    assert divide_exactly(A + B, A + B) == 1
    assert divide_exactly(A, A + B) is None


def test_an_integer_keeps_python_semantics() -> None:
    assert floordiv(-7, 2) == -4
    assert floordiv(7, 2) == 3
    assert maximum(2, 3) == 3


def test_bare_symbols_are_recognised() -> None:
    assert symbol_name(A) == "a"
    for dim in (A + 1, 2 * A, A * B, A // 2, 3):
        assert symbol_name(dim) is None


def test_binding_matches_sizes_with_symbols() -> None:
    env: dict[str, int] = {}
    assert bind_shape((A, 3, B), (5, 3, 7), env)
    assert env == {"a": 5, "b": 7}
    assert bind_shape((A,), (5,), env)
    assert not bind_shape((A,), (6,), env)
    assert not bind_shape((3,), (4,), env)
    assert not bind_shape((3, 3), (3,), env)


@pytest.mark.parametrize("seed", range(100))
def test_what_is_said_not_to_be_negative_is_not(seed: int) -> None:
    rng = random.Random(seed)
    dim, _ = random_expression(rng)
    if is_non_negative(dim):
        assert all(evaluate_dim(dim, {name: rng.randint(0, 9) for name in "abn"}) >= 0 for _ in range(20))


def test_sums_of_positive_terms_are_seen_not_to_be_negative() -> None:
    for dim in (A, 2 * A * B + 1, (A + 3) // 2, maximum(A - 5, 0), 0):
        assert is_non_negative(dim)
    for dim in (A - 1, -A, (A - 3) // 2, -1):
        assert not is_non_negative(dim)


def test_an_unbound_symbol_is_named() -> None:
    with pytest.raises(ShapeError, match="no input binds the dimension 'n'"):
        evaluate_shape((A, N + 1), {"a": 1})
    with pytest.raises(ShapeError, match="'a'"):
        as_ints((2, A))


def test_symbols_of_an_expression() -> None:
    dim = maximum(A // 2, B) * N + 1
    assert isinstance(dim, Sym)
    assert dim.symbols() == {"a", "b", "n"}
