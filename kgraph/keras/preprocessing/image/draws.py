"""Where random numbers come from: NumPy's global generator, or one of their own for those who give a seed."""

from __future__ import annotations

from numpy.random.mtrand import RandomState, get_bit_generator

Seed = int | RandomState | None


def draws(seed: Seed = None) -> RandomState:
    """A generator. Without a seed it draws from `numpy.random`, whose state goes on with it.

    With a seed it gives what `numpy.random` would after `numpy.random.seed(seed)`, and leaves that alone.

    >>> from numpy import random
    >>> random.seed(3)
    >>> draws(3).uniform() == draws().uniform() == random.RandomState(3).uniform()
    True
    """
    if isinstance(seed, RandomState):
        return seed
    return RandomState(get_bit_generator() if seed is None else seed)
