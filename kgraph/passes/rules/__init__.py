"""Rewrite rules by topic: each is a pattern, a replacement and the identity between them."""

from __future__ import annotations
