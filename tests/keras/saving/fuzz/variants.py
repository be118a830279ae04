"""Damaged variants of a file: what disks, networks and people with bad intentions make of it."""

from __future__ import annotations

import random

EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x01")


def variant(data: bytes, rng: random.Random) -> bytes:
    """A variant by one of five means: flipped bits, extreme numbers, an early end, bytes moved, bytes repeated."""
    made = bytearray(data)
    means = rng.randrange(5)
    at, size = rng.randrange(len(data)), rng.choice((1, 2, 4, 8))
    if means == 0:
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            made[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif means == 1:
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = rng.randrange(len(data))
            made[at : at + size] = rng.choice(EXTREMES) * size
    elif means == 2:
        del made[at:]
    elif means == 3:
        length = rng.randrange(1, 65)
        source = rng.randrange(len(data))
        made[at : at + length] = data[source : source + length]
    else:
        length = rng.randrange(1, 257)
        made[at:at] = data[at : at + length] * rng.choice((1, 1, 2, 50))
    return bytes(made)
