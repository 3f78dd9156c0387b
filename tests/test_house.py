"""The house is kept: files and functions that can be read at once, and no import circles."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
LINES, OF_A_FUNCTION = 300, 60
SOURCES = [path for path in (ROOT / "src").rglob("*.py") if "migrations" not in path.parts]


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    found = []
    for path in SOURCES:
        nodes = ast.walk(ast.parse(path.read_text()))
        for node in (one for one in nodes if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)):
            if (node.end_lineno or 0) - node.lineno >= OF_A_FUNCTION:
                found.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert found == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also not where an import is put off, or for a type alone."""
    graph = grimp.build_graph("mezzotint", cache_dir=None)
    imported = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(list(TopologicalSorter(imported).static_order())) > 200  # raises CycleError
