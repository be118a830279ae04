"""Callbacks: what is told about training, and may act on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgraph.keras.callbacks.base import Callback, History
from kgraph.keras.callbacks.checkpoint import BackupAndRestore, ModelCheckpoint
from kgraph.keras.callbacks.monitor import EarlyStopping, ReduceLROnPlateau
from kgraph.keras.callbacks.progress import ProgbarLogger
from kgraph.keras.callbacks.schedule import LearningRateScheduler
from kgraph.keras.callbacks.several import CallbackList
from kgraph.keras.callbacks.simple import BaseLogger, CSVLogger, LambdaCallback, TerminateOnNaN
from kgraph.lazy import lazy_names

if TYPE_CHECKING:
    from kgraph.keras.callbacks.remote import RemoteMonitor
    from kgraph.keras.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "BaseLogger",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "TensorBoard",
    "TerminateOnNaN",
]

__getattr__, __dir__ = lazy_names(__name__, {"RemoteMonitor": ".remote", "TensorBoard": ".tensorboard"})
