"""Which interpreter runs a framework, what it has, and what a process of it gets to see."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frameworks import Framework

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = Path("benchmarks") / ".envs"


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's marketing name where the system tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True)
class Environment:
    """A framework with its interpreter; `missing` modules are what keeps it from running."""

    framework: Framework
    python: Path
    missing: tuple[str, ...]
    versions: Mapping[str, str]

    def variables(self, home: Path) -> dict[str, str]:
        """The variables of its processes: the CPU only, all cores for every thread pool, `home` for settings.

        A fresh `home` keeps the user's own `keras.json` out of the comparison.
        """
        threads = str(cores())
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "KERAS_HOME": str(home),
            "CUDA_VISIBLE_DEVICES": "",
            "JAX_PLATFORMS": "cpu",
            "OMP_NUM_THREADS": threads,
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_CPP_MIN_LOG_LEVEL": "2",
            **self.framework.environment,
        }


def interpreter(framework: Framework, chosen: Mapping[str, Path]) -> Path:
    """The interpreter named for the framework, or for all (`""`), or its own environment's, or this one."""
    for name in (framework.name, ""):
        if name in chosen:
            return chosen[name]
    own = ROOT / ENVIRONMENTS / framework.name / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def examine(framework: Framework, chosen: Mapping[str, Path]) -> Environment:
    """Asks the framework's interpreter what it has."""
    python = interpreter(framework, chosen)
    answer = subprocess.run(
        [python, "-m", "benchmarks.probe", *framework.modules, "numpy"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(answer.stdout)
    return Environment(framework, python, tuple(told["missing"]), told["versions"])


def advice(environment: Environment) -> str:
    """What is missing, and the command that makes an environment which has it."""
    framework = environment.framework
    path = ENVIRONMENTS / framework.name
    return (
        f"{framework.name}: {environment.python} has no {', '.join(environment.missing)}. To measure it:\n"
        f"    python -m venv {path} && {path}/bin/pip install {shlex.join(framework.packages)}"
    )
