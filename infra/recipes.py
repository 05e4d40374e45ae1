"""
What each function's package holds: the modules that its handler imports, the files those read, the libraries beyond the standard one.

Laws: our modules are found by following imports from the handler, so nothing goes in that does not run; imports for types alone are not
followed. What Lambda's runtime brings (boto3, urllib3) is not packed: thirty megabytes, six times the rest, for calls of Athena, S3 and SNS
that are years old, but for S3's conditional puts, of November 2024 (compact_lambda/bucket.py looks), and AWS keeps it patched. The lock's boto3 is
what the tests run with.
Refuses to know: wheels, archives, AWS.
Source: AWS Lambda, "Building Lambda functions with Python" (the runtime includes boto3).
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.errors import PackageFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Ours, top-level: what is neither ours nor the standard library's is a library.
ROOMS: Final = frozenset({"contract", "infra", "sql", "transform_lambda", "audit_lambda", "compact_lambda"})
FROM_THE_RUNTIME: Final = frozenset({"boto3", "botocore", "urllib3"})
_CONTRACT: Final = ("contract/*.json", "contract/frames/*.json", "contract/testimony/*.json")
_LAKE: Final = ("infra/pipeline.yaml", "infra/prices.yaml", "infra/views/*.sql")


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    One function's package.

    Shapes: `handler` is the module that Lambda loads; `libraries` are the lock's names; `files` are patterns, relative to the checkout, of
    what the modules read.
    """

    name: str
    handler: str
    libraries: tuple[str, ...]
    files: tuple[str, ...]


TRANSFORM: Final = Recipe(
    name="transform",
    handler="transform_lambda.handler",
    libraries=("fastjsonschema", "orjson", "pybase64"),
    files=_CONTRACT,
)
AUDIT: Final = Recipe(
    name="audit",
    handler="audit_lambda.handler",
    libraries=("awscrt", "pyyaml", "sqlglot"),
    files=(*_LAKE, "infra/queries/**/*.sql", "audit_lambda/page_parts/*"),
)
COMPACT: Final = Recipe(
    name="compact",
    handler="compact_lambda.handler",
    libraries=("pyyaml", "sqlglot"),
    files=(*_LAKE, "infra/history/*.sql"),
)
RECIPES: Final = {recipe.name: recipe for recipe in (TRANSFORM, AUDIT, COMPACT)}
_IMPORTED_AS: Final = {"pyyaml": "yaml"}


def own_files(recipe: Recipe, house: Path) -> dict[str, bytes]:
    """
    Our part of a package. Shapes: name in the archive -> content.

    Raises: PackageFailed without the handler's module.
    """
    read = [path for pattern in recipe.files for path in house.glob(pattern) if path.is_file()]
    modules = find_modules(recipe.handler, house)
    if not modules:
        raise PackageFailed(problem=f"{recipe.handler} is not there.", advice="Run this from a whole checkout.")
    paths = [*modules, *read, house / "LICENSE"]
    return {path.relative_to(house).as_posix(): path.read_bytes() for path in paths}


def find_modules(start: str, house: Path) -> list[Path]:
    """The files of our modules that importing one of them runs, itself first."""
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        path = _file_of(name, house)
        if path is None or name in found:
            continue
        found[name] = path
        package = name.rpartition(".")[0]
        waiting += [package] if package else []
        waiting += [each for each in find_imports(path.read_text(encoding="utf-8")) if each.split(".")[0] in ROOMS]
    return list(found.values())


def find_libraries(recipe: Recipe, house: Path) -> set[str]:
    """What those modules import that is neither ours nor the standard library's, by the lock's names; the runtime's own included."""
    texts = [path.read_text(encoding="utf-8") for path in find_modules(recipe.handler, house)]
    tops = {name.split(".")[0] for text in texts for name in find_imports(text)}
    names = {imported: library for library, imported in _IMPORTED_AS.items()}
    return {names.get(top, top) for top in tops - ROOMS - set(sys.stdlib_module_names)}


def find_imports(source: str) -> set[str]:
    """
    The names that a module imports when it runs, also inside functions: `a.b` for `import a.b`, and for `from a import b` both `a` and
    `a.b`, which may be a module.
    """
    names: set[str] = set()
    for node in _run(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    yield node
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _run(child)


def _file_of(module: str, house: Path) -> Path | None:
    path = house.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((each for each in candidates if each.is_file()), None)
