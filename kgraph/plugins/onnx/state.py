"""Variables on the device: two buffers each, used in turn.

A step reads one buffer of a variable and writes the other, so nothing is copied back and no kernel overwrites what
another one still reads. Variables that the same functions update always swap together; such a group has one turn
counter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kgraph.ir.graph import Variable
from kgraph.ir.storage import Storage
from kgraph.ir.types import Array
from kgraph.plugins.onnx.device import Device

_ALIGNMENT = 64  # a cache line, and the width of the widest vector loads


def aligned(shape: Sequence[int], dtype: str) -> Array:
    """An uninitialised array whose data starts at a cache line."""
    count = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    raw = np.empty(count + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + count].view(dtype).reshape(tuple(shape))


class Buffer:
    """Memory on a device that onnxruntime reads and writes in place."""

    __slots__ = ("_host", "value")

    def __init__(self, array: Array, device: Device) -> None:
        import onnxruntime

        self._host: Array | None = None
        if device.kind == "cpu":
            # The OrtValue shares this array's memory and does not keep it alive: this object does.
            self._host = aligned(array.shape, array.dtype.name)
            self._host[...] = array
            self.value: Any = onnxruntime.OrtValue.ortvalue_from_numpy(self._host)
        else:
            contiguous = np.ascontiguousarray(array).reshape(array.shape)
            self.value = onnxruntime.OrtValue.ortvalue_from_numpy(contiguous, device.kind, device.index)

    def read(self) -> Array:
        return self._host.copy() if self._host is not None else np.array(self.value.numpy())

    def write(self, array: Array) -> None:
        if self._host is not None:
            self._host[...] = array
        else:
            self.value.update_inplace(np.ascontiguousarray(array).reshape(array.shape))


class Group:
    """Variables that swap buffers together."""

    __slots__ = ("turn", "variables")

    def __init__(self) -> None:
        self.turn = 0
        self.variables: list[Variable] = []


class DeviceState:
    """The home of a program's variables."""

    def __init__(self, updated_by: Mapping[Variable, frozenset[str]], device: Device) -> None:
        self.device = device
        self._buffers: dict[Variable, list[Buffer]] = {}
        self._by_storage = {variable.storage: variable for variable in updated_by}
        self._updated = {variable for variable, functions in updated_by.items() if functions}
        self._away: set[Variable] = set(updated_by)
        groups: dict[frozenset[str], Group] = {}
        self.group_of: dict[Variable, Group] = {}
        for variable, functions in updated_by.items():
            group = groups.setdefault(functions, Group())
            group.variables.append(variable)
            self.group_of[variable] = group
        self.generation = 0
        """Grows when buffers are made anew, so that bindings to the old ones are dropped."""

    def gather(self) -> None:
        """Take over every variable that lives elsewhere. Costs nothing when all are here."""
        if not self._away:
            return
        for variable in list(self._away):
            value = variable.storage.move_to(self)
            if variable in self._buffers:
                self._buffers[variable][self._turn(variable)].write(value)
            else:
                count = 2 if variable in self._updated else 1
                self._buffers[variable] = [Buffer(value, self.device) for _ in range(count)]
                self.generation += 1
        self._away.clear()

    def current(self, variable: Variable) -> Any:
        """The OrtValue that holds the variable now."""
        return self._buffers[variable][self._turn(variable)].value

    def next(self, variable: Variable) -> Any:
        """The OrtValue that the next value of an updated variable goes to."""
        return self._buffers[variable][1 - self._turn(variable)].value

    def fetch(self, storage: Storage) -> Array:
        variable = self._by_storage[storage]
        return self._buffers[variable][self._turn(variable)].read()

    def store(self, storage: Storage, array: Array) -> None:
        variable = self._by_storage[storage]
        self._buffers[variable][self._turn(variable)].write(array)

    def release(self, storage: Storage) -> None:
        self._away.add(self._by_storage[storage])

    def _turn(self, variable: Variable) -> int:
        return self.group_of[variable].turn if variable in self._updated else 0
