"""`EventLog`: one run of TensorBoard, that is, a folder with a file of events.

The `tensorboard` package has the protocol buffers and the framing of records; the files are opened here, because its
own writer opens them through TensorFlow where that is installed, which takes seconds to load.
"""

from __future__ import annotations

import io
import itertools
import os
import platform
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from kgraph.errors import optional_library
from kgraph.ir.graph import Function
from kgraph.ir.types import Array
from kgraph.keras.callbacks.event_graph import graph_def

_NUMBERS = itertools.count()
IMAGES = 3
"""How many images of one weight are written, at most."""


def require_tensorboard() -> None:
    """Raise LibraryError unless the package is installed."""
    with optional_library("TensorBoard's files need its package", "tensorboard"):
        import_module("tensorboard.summary.writer.record_writer")


class EventLog:
    """What is shown of one run. `flush` makes what was added visible, and with the first event the file.

    Numbers, histograms and images have the form that TensorFlow 2 gives them: tensors, and the name of the dashboard.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = ""
        self._added = io.BytesIO()

    def scalar(self, tag: str, value: Any, step: int) -> None:
        """A number at a step."""
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        self._add(step, summary=scalar_pb(tag, value))

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """The distribution of the finite ones among some numbers, in 30 buckets of equal width."""
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb

        self._add(step, summary=histogram_pb(tag, values[np.isfinite(values)]))

    def images(self, tag: str, pictures: Array, step: int) -> None:
        """Pictures [count, height, width, 1 or 3] of any numbers: 0 is grey, or black where none is negative."""
        from tensorboard.plugins.image.metadata import create_summary_metadata

        height, width = pictures.shape[1:3]
        encoded = [_png(picture) for picture in _as_bytes(pictures[:IMAGES])]
        strings = np.array([str(width).encode(), str(height).encode(), *encoded], dtype=object)
        self._tensor(tag, strings, step, create_summary_metadata(None, None))

    def keras_model(self, json_text: str) -> None:
        """The layers of a model, which the dashboard of graphs shows as its conceptual graph."""
        from tensorboard.compat.proto.summary_pb2 import SummaryMetadata
        from tensorboard.plugins.graph.metadata import PLUGIN_NAME_KERAS_MODEL

        plugin = SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME_KERAS_MODEL, content=b"1")
        text = np.array(json_text.encode(), dtype=object)
        self._tensor("keras", text, 0, SummaryMetadata(plugin_data=plugin))

    def graph(self, function: Function) -> None:
        """The ops of a function, grouped by layer."""
        self._add(0, graph_def=graph_def(function).SerializeToString())

    def flush(self) -> None:
        """Append what was added to the file, which is open only meanwhile: training may end at any moment."""
        if self._added.tell():
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / self._name).open("ab") as file:
                file.write(self._added.getvalue())
            self._added = io.BytesIO()

    def _tensor(self, tag: str, values: Array, step: int, metadata: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.util.tensor_util import make_tensor_proto

        value = Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(values))
        self._add(step, summary=Summary(value=[value]))

    def _add(self, step: int, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        if not self._name:
            # Readers look for "tfevents", and take the files of a folder in the order of their names.
            place = f"{platform.node()}.{os.getpid()}.{next(_NUMBERS)}"
            self._name = f"events.out.tfevents.{time.time():010.0f}.{place}.v2"
            self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self._write(Event(wall_time=time.time(), step=step, **content))

    def _write(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        RecordWriter(self._added).write(event.SerializeToString())


def _as_bytes(pictures: Array) -> Array:
    """Pictures as uint8: the largest magnitude of each becomes white or black, and 0 grey if anything is negative."""
    finite = np.where(np.isfinite(pictures), pictures, 0.0).astype("float64")
    largest = np.abs(finite).max(axis=(1, 2, 3), keepdims=True, initial=0.0)
    scaled = finite / np.where(largest > 0.0, largest, 1.0)
    signed = finite.min(axis=(1, 2, 3), keepdims=True, initial=0.0) < 0.0
    return np.where(signed, 127.0 + 127.0 * scaled, 255.0 * scaled).round().astype("uint8")


def _png(picture: Array) -> bytes:
    """A picture [height, width, 1 or 3] of bytes as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture[:, :, 0] if picture.shape[-1] == 1 else picture).save(file, "png")
    return file.getvalue()
