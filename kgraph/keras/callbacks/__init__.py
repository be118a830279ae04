"""Callbacks: what is told about training, and may act on it."""

from __future__ import annotations

from kgraph.keras.callbacks.base import Callback, CallbackList, History
from kgraph.keras.callbacks.checkpoint import BackupAndRestore, ModelCheckpoint
from kgraph.keras.callbacks.monitor import EarlyStopping, ReduceLROnPlateau
from kgraph.keras.callbacks.progress import ProgbarLogger
from kgraph.keras.callbacks.schedule import LearningRateScheduler
from kgraph.keras.callbacks.simple import CSVLogger, LambdaCallback, TerminateOnNaN

__all__ = [
    "BackupAndRestore",
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
    "TerminateOnNaN",
]
