"""What kgraph is to reach, as data: ratios to another framework in the same run, or limits of its own."""

from __future__ import annotations

from dataclasses import dataclass

EVERY = "every"
"""Stands for the workload where a metric, like the import time, has nothing to do with one."""


@dataclass(frozen=True)
class Target:
    """kgraph's `metric` on `workload` is at most `limit`, times what `baseline` has if there is one."""

    workload: str
    metric: str
    limit: float
    baseline: str | None = None


TARGETS = (
    Target("mlp", "fit_ms", 1.0, "keras-jax"),
    Target("mlp", "fit_ms", 0.5, "keras-tf"),
    Target("mlp_small", "fit_ms", 0.3, "keras-tf"),
    Target("mlp_small", "fit_ms", 0.9, "keras-jax"),
    Target("mnist_cnn", "fit_ms", 0.8, "keras-tf"),
    Target("mnist_cnn", "fit_ms", 0.4, "keras-jax"),
    Target("vgg_like", "fit_ms", 0.7, "keras-tf"),
    Target("lstm_text", "fit_ms", 0.8, "keras-tf"),
    Target("stacked_lstm", "fit_ms", 0.3, "keras-tf"),
    Target("mlp", "predict_overhead_us", 60),
    Target("mlp", "python_us", 60),
    Target("mlp_small", "python_us", 60),
    Target(EVERY, "import_s", 0.3),
    Target("mlp", "first_step_s", 0.4),
    Target("mlp", "peak_mb", 0.5, "keras-tf"),
)
