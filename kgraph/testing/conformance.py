"""The conformance kit for backends: every op's samples on a backend, against the oracle.

In the test suite of a plug-in, with its known gaps as strict expected failures:

    from kgraph.testing.conformance import backend_test

    test_conformance = backend_test("toy", gaps={"conv": "toy has no convolutions yet", "cum_sum-1": "first axis only"})

Or without writing anything, for the backend and device that the settings name:

    KGRAPH_BACKEND=toy pytest --pyargs kgraph.testing.conformance
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from kgraph import config
from kgraph.errors import ArgumentError, describe
from kgraph.ir.op import Sample
from kgraph.testing.backend_laws import check_sample
from kgraph.testing.op_laws import op_samples


def sample_params(gaps: Mapping[str, str] | None = None) -> list[Any]:
    """All samples as pytest parameters. `gaps` maps an op ("conv") or one sample of it ("conv-3") to the reason why it
    is expected to fail; one that passes after all is a failure, so that the list stays true.

    Raises ArgumentError for a gap that names no sample.
    """
    samples, gaps = op_samples(), gaps or {}
    unknown = set(gaps) - set(samples) - {sample.op.name for sample in samples.values()}
    if unknown:
        raise ArgumentError(
            describe("gaps that are no op and no sample", expected="op or op-number", got=sorted(unknown))
        )
    params = []
    for name, sample in samples.items():
        reason = gaps.get(name) or gaps.get(sample.op.name)
        marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
        params.append(pytest.param(sample, id=name, marks=marks))
    return params


def backend_test(
    backend: str, *, device: str = "cpu", gaps: Mapping[str, str] | None = None
) -> Callable[[Sample], None]:
    """A pytest test over all samples, to be given a name that starts with `test`."""

    @pytest.mark.parametrize("sample", sample_params(gaps))
    def test(sample: Sample) -> None:
        check_sample(sample, backend, device)

    return test


test_conformance = backend_test(config.get().backend, device=config.get().device)
