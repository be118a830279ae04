"""The intermediate representation: types, values, calls and functions, their text and their meaning."""

from __future__ import annotations
