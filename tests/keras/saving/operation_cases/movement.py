"""Cases for the operations that move elements."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.keras.saving.operation_cases.ways import Case

MOVEMENT: Mapping[str, Case] = {
    "BroadcastTo": lambda ops, f, i, b: [
        ops.broadcast_to(ops.sum(f, axis=0), (5, 3, 4)),
        ops.broadcast_to(ops.sum(i, axis=(0, 1), keepdims=True)[0], (2, 4)),
    ],
    "Concatenate": lambda ops, f, i, b: [
        ops.concatenate([f, f * 2]),
        ops.concatenate([f, i], axis=1),
        ops.concatenate([b, i], axis=-2),
        ops.concatenate([f[:, 0], f[:, 1], f[:, 2]], axis=-1),
    ],
    "ExpandDims": lambda ops, f, i, b: [
        ops.expand_dims(f, 1),
        ops.expand_dims(i, -1),
        ops.expand_dims(f, (1, -1)),
        ops.expand_dims(f, (-1, 2)),
    ],
    "Flip": lambda ops, f, i, b: [ops.flip(f, axis=1), ops.flip(i, axis=-1), ops.flip(f, axis=(1, 2))],
    "GetItem": lambda ops, f, i, b: [
        f[:, 0],
        f[:, -1, 1:],
        f[..., 1],
        f[:, None, 1],
        f[:, ::2],
        f[:, ::-1],
        i[:, 1:-1, 2],
        f[:, -2:, :3],
        b[:, 0],
    ],
    "Moveaxis": lambda ops, f, i, b: [
        ops.moveaxis(f, 1, 2),
        ops.moveaxis(i, -1, 0),
        ops.moveaxis(f[:, None], (1, 3), (-1, 0)),
        ops.moveaxis(f[:, None], [3, 1], [1, 2]),
    ],
    "Pad": lambda ops, f, i, b: [
        ops.pad(f, ((0, 0), (1, 2), (0, 1))),
        ops.pad(f, [[0, 0], [1, 1], [2, 0]], constant_values=2.5),
        ops.pad(i, ((0, 0), (1, 0), (0, 0)), constant_values=-7),
        ops.pad(b, ((0, 0), (1, 2), (0, 0))),
        ops.pad(f, ((0, 0), (2, 1), (1, 3)), mode="reflect"),
        ops.pad(i, ((0, 0), (2, 3), (0, 0)), mode="symmetric"),
        ops.pad(f[0], 1),
        ops.pad(f[0], (1, 2)),
    ],
    "Ravel": lambda ops, f, i, b: [ops.ravel(f), ops.ravel(i[:, 0])],
    "Repeat": lambda ops, f, i, b: [
        ops.repeat(f, 2, axis=1),
        ops.repeat(i, 3, axis=-1),
        ops.repeat(f, [1, 0, 2], axis=1),
        ops.repeat(b, 2),
    ],
    "Reshape": lambda ops, f, i, b: [
        ops.reshape(f, (-1, 12)),
        ops.reshape(i, (-1, 2, 6)),
        ops.reshape(f, (-1,)),
        ops.reshape(f, (-1, 4)),
    ],
    "Roll": lambda ops, f, i, b: [
        ops.roll(f, 1, axis=1),
        ops.roll(i, -6, axis=-1),
        ops.roll(f, 2),
        ops.roll(b, 7, axis=0),
        ops.roll(f, (1, -1), axis=(1, 2)),
    ],
    "Split": lambda ops, f, i, b: [
        *ops.split(f, 2, axis=2),
        *ops.split(f, [1, 2], axis=1),
        *ops.split(i, 3, axis=-2),
        *ops.split(f, [1], axis=0),
        ops.split(f, 4, axis=-1)[2] * 2,
    ],
    "Squeeze": lambda ops, f, i, b: [
        ops.squeeze(f[:, :1], 1),
        ops.squeeze(f[:, :1, :1], (1, 2)),
        ops.squeeze(i[:, :, :1], -1),
    ],
    "Stack": lambda ops, f, i, b: [
        ops.stack([f, f * 2]),
        ops.stack([f, i], axis=-1),
        ops.stack([i, i, i], axis=1),
    ],
    "Swapaxes": lambda ops, f, i, b: [ops.swapaxes(f, 1, 2), ops.swapaxes(i, 0, -1), ops.swapaxes(b, -1, -2)],
    "Take": lambda ops, f, i, b: [
        ops.take(f, [0, 2, -1], axis=1),
        ops.take(f, np.array([[1, 0]]), axis=-1),
        ops.take(f, 2, axis=1),
        ops.take(f, i[0] % 3, axis=1),
        ops.take(f, i[:, 0] - 1, axis=2),
        ops.take(i, [5, 3]),
        ops.take(np.arange(14, dtype="float32").reshape(7, 2), i + 3, axis=0),
    ],
    "TakeAlongAxis": lambda ops, f, i, b: [
        ops.take_along_axis(f, i % 3, axis=1),
        ops.take_along_axis(f, i[:, :, :2] - 1, axis=-1),
        ops.take_along_axis(i, ops.ravel(abs(i))),
    ],
    "Tile": lambda ops, f, i, b: [
        ops.tile(f, (1, 2, 3)),
        ops.tile(i, [2]),
        ops.tile(b, 2),
        ops.tile(f, (2, 1, 1, 1)),
        ops.tile(f, (2, 1, 1)),
    ],
    "Transpose": lambda ops, f, i, b: [
        ops.transpose(f, (0, 2, 1)),
        ops.transpose(i),
        ops.transpose(b, (1, 0, 2)),
    ],
}
