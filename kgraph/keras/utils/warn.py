"""Warnings that point at the line of the user's program, however deep the call."""

from __future__ import annotations

import sys
import warnings


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost frame that is not kgraph's own."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "kgraph":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
