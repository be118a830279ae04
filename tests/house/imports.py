"""Reads imports out of source text, without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Import:
    """One imported module: who asks, for what, and where in the file the statement stands."""

    importer: str
    target: str
    line: int
    in_function: bool
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"

    @property
    def root(self) -> str:
        """The top-level name: onnx for onnx.helper."""
        return self.target.partition(".")[0]


def read_imports(source: str, importer: str, modules: Container[str]) -> Iterator[Import]:
    """Every import statement of `source`, in order.

    `from package import name` counts as an import of `package.name` when `modules` has it, else of `package`.
    """
    yield from _walk(ast.parse(source), importer, modules, in_function=False, typing_only=False)


def _walk(
    node: ast.AST, importer: str, modules: Container[str], in_function: bool, typing_only: bool
) -> Iterator[Import]:
    for target in _targets(node, modules):
        yield Import(importer, target, node.lineno, in_function, typing_only)
    in_function = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    typing_only = typing_only or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, importer, modules, in_function, typing_only)


def _targets(node: ast.AST, modules: Container[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = node.module or ""
        names = [f"{package}.{alias.name}" for alias in node.names]
        return list(dict.fromkeys(name if name in modules else package for name in names))
    return []


def find_cycle(edges: Mapping[str, set[str]]) -> list[str]:
    """Some cycle of a directed graph, its first node repeated at the end; empty if there is none."""
    finished: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in finished:
            return []
        for successor in sorted(edges.get(node, ())):
            if cycle := visit(successor, [*path, node]):
                return cycle
        finished.add(node)
        return []

    return next((cycle for node in sorted(edges) if (cycle := visit(node, []))), [])
