"""Where the current value of a variable lives: on the host, or with whoever runs it on a device.

A value is in exactly one place. An executable that trains a variable becomes its *home* and keeps the value on its
device; reading or writing the variable goes through the home, and another executable that wants the variable takes it
over. Nothing is copied while one executable runs step after step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from kgraph.errors import ShapeError, describe
from kgraph.ir.types import Array, TensorType


class Home(Protocol):
    """An owner of variable values, such as the device memory of an executable."""

    def fetch(self, storage: Storage) -> Array:
        """A copy of the current value on the host."""

    def store(self, storage: Storage, array: Array) -> None:
        """Replace the value."""

    def release(self, storage: Storage) -> None:
        """Forget the value: someone else has it now."""


class Storage:
    """The value of one variable and the place where it is."""

    __slots__ = ("__weakref__", "_array", "_counts", "_home", "type")

    writes = 0
    """Counts, over the process, the changes of values that models compute with. Who keeps a snapshot compares it."""

    def __init__(self, type: TensorType, array: Array, counts: bool = True) -> None:
        self.type = type
        self._counts = counts
        self._array: Array | None = None
        self._home: Home | None = None
        self.write(array)

    def read(self) -> Array:
        """A host copy of the value, of dtype and shape `type`."""
        if self._home is not None:
            return self._home.fetch(self)
        assert self._array is not None
        return self._array.copy()

    def look(self) -> Array:
        """The value as it is now, to read at once: without a copy where it is on the host."""
        return self._array if self._array is not None else self.read()

    def write(self, array: object) -> None:
        """Replace the value; it is converted to the variable's dtype. Raises ShapeError when the shape differs."""
        value = np.asarray(array, dtype=self.type.dtype)
        if value.shape != self.type.shape:
            raise ShapeError(
                describe(
                    "the value does not fit the variable", expected=self.type, got=f"shape {value.shape}"
                )
            )
        if self._counts:
            Storage.writes += 1
        if self._home is not None:
            self._home.store(self, value)
        else:
            self._array = _own_copy(value)

    def fill(self, write_into: Callable[[Array], object]) -> None:
        """Replace the value by what a function writes into the array it is given: a value on the host changes in place.

        When the function raises, the value is what it had written until then.
        """
        if self._counts:
            Storage.writes += 1
        if self._home is not None:
            value = np.empty(self.type.static_shape, self.type.dtype)
            write_into(value)
            self._home.store(self, value)
        else:
            assert self._array is not None
            write_into(self._array)

    def move_to(self, home: Home) -> Array:
        """Make `home` the owner and return the value for it to keep."""
        value = self.read()
        if self._home is not None:
            self._home.release(self)
        self._home, self._array = home, None
        return value

    def bring_back(self) -> None:
        """Move the value to the host, as when its home goes away."""
        if self._home is not None:
            value = self._home.fetch(self)
            self._home.release(self)
            self._home, self._array = None, value

    @property
    def home(self) -> Home | None:
        return self._home


def _own_copy(value: Array) -> Array:
    """A copy. Of one zero broadcast to a shape it takes no memory before it is written to."""
    if value.size > 1 and not any(value.strides) and not value.flat[0]:
        return np.zeros(value.shape, value.dtype)
    return value.copy()
