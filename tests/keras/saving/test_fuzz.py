"""Damaged files of every format load or give one clear error: some hundred here, thousands by `fuzz/campaign.py`."""

from __future__ import annotations

import pytest

from tests.keras.saving.fuzz.campaign import campaign
from tests.keras.saving.fuzz.formats import FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_load_or_are_refused(name: str) -> None:
    result = campaign(name, count=80, seed=7, seconds=60)
    assert result.failures == {}
    assert result.counts["FileError"] > 20
    assert sum(result.counts.values()) == 80
