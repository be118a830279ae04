"""Variables on a device: two buffers each, used in turn.

A run reads one buffer of a variable and writes the other, so nothing is copied back and no kernel overwrites what
another one still reads. All programs on a device share one `DeviceState`: models that share a layer share its
weights in place.

Swapping costs nothing per step: a bound step that runs again and again only alternates between its two bindings, and
tells the variables which buffer is current when somebody else asks (`settle`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from threading import RLock
from typing import Any, Protocol
from weakref import WeakKeyDictionary

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

    __slots__ = ("_host", "_shape", "value")

    def __init__(self, array: Array, device: Device) -> None:
        import onnxruntime

        self._host: Array | None = None
        self._shape = array.shape
        if device.kind == "cpu":
            # The OrtValue shares this array's memory and does not keep it alive: this object does.
            self._host = aligned(array.shape, array.dtype.name)
            self._host[...] = array
            self.value: Any = onnxruntime.OrtValue.ortvalue_from_numpy(self._host)
        else:
            contiguous = np.ascontiguousarray(array).reshape(array.shape)
            self.value = onnxruntime.OrtValue.ortvalue_from_numpy(contiguous, device.kind, device.index)

    def view(self, shape: Sequence[int]) -> Any:
        """This memory under a shape of as many elements; another one on the CPU only."""
        import onnxruntime

        if tuple(shape) == self._shape:
            return self.value
        assert self._host is not None
        return onnxruntime.OrtValue.ortvalue_from_numpy(self._host.reshape(shape))

    def read(self) -> Array:
        return self._host.copy() if self._host is not None else np.array(self.value.numpy())

    def write(self, array: Array) -> None:
        if self._host is not None:
            self._host[...] = array
        else:
            self.value.update_inplace(np.ascontiguousarray(array).reshape(array.shape))


class Slot:
    """The buffers of one variable. The second one is made when something updates the variable."""

    __slots__ = ("buffers", "current")

    def __init__(self, buffer: Buffer) -> None:
        self.buffers = [buffer]
        self.current = 0

    @property
    def now(self) -> Buffer:
        return self.buffers[self.current]

    @property
    def next(self) -> Buffer:
        return self.buffers[1 - self.current]


class Runner(Protocol):
    """A bound step that may have swapped its variables an odd number of times without saying so yet."""

    parity: int
    updated: Sequence[Slot]

    def settled(self) -> None:
        """Its swaps have been written down: the buffers that are current now are where it starts from."""


class DeviceState:
    """The home of every variable that is used on a device.

    `lock` is held while a function with state runs and while a value is read or written: models may train and be asked
    in several threads, and the swaps of a step must not be written down while it runs.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.lock = RLock()
        self.active: Runner | None = None
        self._slots: WeakKeyDictionary[Storage, Slot] = WeakKeyDictionary()

    def slots(self, variables: Sequence[Variable], updated: Sequence[Variable] = ()) -> list[Slot]:
        """The slots of variables, taken over from wherever they are; those of `updated` have a second buffer."""
        with self.lock:
            self.flush()
            found = []
            for variable in variables:
                storage = variable.storage
                if storage.home is not self:
                    self._slots[storage] = Slot(Buffer(storage.move_to(self), self.device))
                found.append(self._slots[storage])
            for variable in updated:
                slot = self._slots[variable.storage]
                if len(slot.buffers) == 1:
                    slot.buffers.append(Buffer(slot.now.read(), self.device))
            return found

    def settle(self) -> None:
        """Write down the swaps of the active step, which stays active: no buffer has gone elsewhere."""
        if self.active is not None and self.active.parity:
            for slot in self.active.updated:
                slot.current ^= 1
            self.active.settled()

    def flush(self) -> None:
        """Write down the swaps of the active step, and make it no longer active."""
        self.settle()
        self.active = None

    def fetch(self, storage: Storage) -> Array:
        with self.lock:
            self.settle()
            return self._slots[storage].now.read()

    def store(self, storage: Storage, array: Array) -> None:
        with self.lock:
            self.settle()
            self._slots[storage].now.write(array)

    def release(self, storage: Storage) -> None:
        with self.lock:
            self.flush()
            del self._slots[storage]


@cache
def state_of(device: Device) -> DeviceState:
    """The state of a device; one for the process."""
    return DeviceState(device)
