"""Passes on scans: less to carry, less to keep, and as much as possible outside of the loop."""

from __future__ import annotations
