"""Rewrite rules by topic. A module lists its rules in `RULES`; a pass is made of one or more topics."""

from __future__ import annotations
