"""Tells what an interpreter has: `python -m benchmarks.probe MODULE…`, with the standard library alone.

Prints a JSON object: which modules are `missing`, and the `versions` of the distributions that hold the others.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata, util


def found(module: str) -> bool:
    """Whether `import module` would find it. A missing parent package is an exception to `find_spec`."""
    try:
        return util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def main() -> None:
    """Prints what this interpreter has."""
    modules = sys.argv[1:]
    missing = [module for module in modules if not found(module)]
    providers = metadata.packages_distributions()
    distributions = {name for module in modules for name in providers.get(module.partition(".")[0], ())}
    versions = {name: metadata.version(name) for name in sorted(distributions)}
    print(json.dumps({"missing": missing, "versions": versions}))


if __name__ == "__main__":
    main()
