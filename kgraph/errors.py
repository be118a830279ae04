"""Every exception kgraph raises.

Each one is a `KgraphError` and also the built-in type that Keras documents for the same mistake, so
`except ValueError` written for Keras keeps working. Messages answer three questions: what was expected, what
came, and where.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class KgraphError(Exception):
    """Base of every error that kgraph raises on purpose."""


class GraphError(KgraphError, ValueError):
    """A graph is malformed: disconnected, cyclic in its declarations, or missing a leaf it refers to."""


class ShapeError(KgraphError, ValueError):
    """Shapes, ranks or dtypes do not fit the operation or layer they were given to."""


class ArgumentError(KgraphError, ValueError):
    """An argument has a value outside of what is allowed (unknown name, bad mode, wrong range)."""


class ArgumentTypeError(KgraphError, TypeError):
    """An argument has a type that cannot be used, or an unknown keyword was given."""


class DataError(KgraphError, ValueError):
    """Arrays handed to fit, evaluate, predict or an executable do not match the model."""


class FileError(KgraphError, ValueError):
    """A model file is damaged, hostile, or of a kind that cannot be read. A missing file is a FileNotFoundError."""


class UnsafeError(FileError):
    """A file holds code, and nobody said that it may be run."""


class DownloadError(KgraphError, OSError):
    """A file could not be had from the network: the server is out of reach, refuses, falls silent or stops early."""


class NotCompiledError(KgraphError, RuntimeError):
    """Training or evaluation was asked of a model before `compile`."""


class NotBuiltError(KgraphError, ValueError):
    """Weights or shapes were asked of a layer or model before they exist."""


class UnsupportedError(KgraphError, NotImplementedError):
    """A feature that this kind of model, backend or target does not have; says what to use instead."""


class LibraryError(KgraphError, ImportError):
    """An optional library is needed and not installed; says which extra of kgraph brings it."""


class BackendError(KgraphError, RuntimeError):
    """A backend or device could not do what was asked of it."""


class PluginError(KgraphError, RuntimeError):
    """A plug-in is broken, missing or in conflict with another one; names the plug-in."""


class PassError(KgraphError, RuntimeError):
    """A pass failed or produced an invalid graph; names the pass and the node."""


def describe(summary: str, *, expected: object = None, got: object = None, where: str = "") -> str:
    """Format one error message: a summary line, then the expected / got / where lines that apply.

    >>> print(describe("Dense: wrong rank", expected="at least 2", got="float32[n]", where="model/dense_1"))
    Dense: wrong rank
      expected: at least 2
      got: float32[n]
      in model/dense_1
    """
    lines = [summary]
    if expected is not None:
        lines.append(f"  expected: {expected}")
    if got is not None:
        lines.append(f"  got: {got}")
    if where:
        lines.append(f"  in {where}")
    return "\n".join(lines)


@contextmanager
def optional_library(need: str, extra: str) -> Iterator[None]:
    """Around an import that an extra of kgraph brings: where it fails, a LibraryError says what to install.

    >>> with optional_library("pictures need a painter", "plot"):
    ...     import painter
    Traceback (most recent call last):
    kgraph.errors.LibraryError: pictures need a painter
      expected: pip install 'kgraph[plot]'
      got: No module named 'painter'
    """
    try:
        yield
    except ImportError as error:
        raise LibraryError(
            describe(need, expected=f"pip install 'kgraph[{extra}]'", got=str(error))
        ) from error
