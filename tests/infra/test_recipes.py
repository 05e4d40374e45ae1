"""What goes into which package: what its handler imports, what that reads, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from infra.errors import PackageFailed
from infra.package import HOUSE
from infra.recipes import AUDIT, FROM_THE_RUNTIME, RECIPES, ROOMS, find_imports, find_libraries, find_modules, own_files

if TYPE_CHECKING:
    from pathlib import Path


def planted(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "LICENSE").touch()
    return folder


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_libraries_are_what_the_modules_import(name: str) -> None:
    assert set(RECIPES[name].libraries) == find_libraries(RECIPES[name], HOUSE) - FROM_THE_RUNTIME


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_own_files_are_modules_what_they_read_and_the_licence(name: str) -> None:
    files = own_files(RECIPES[name], HOUSE)
    assert RECIPES[name].handler.replace(".", "/") + ".py" in files
    assert {path.split("/")[0] for path in files} <= ROOMS | {"LICENSE"}
    assert not [path for path in files if "example" in path or path.endswith(".pyc") or path.startswith("tests/")]
    assert all(HOUSE.joinpath(path).read_bytes() == body for path, body in files.items())


def test_every_pattern_finds_something() -> None:
    for recipe in RECIPES.values():
        for pattern in recipe.files:
            assert list(HOUSE.glob(pattern)), pattern


def test_rooms_are_the_house_that_functions_may_need() -> None:
    rooms = {path.parent.name for path in HOUSE.glob("*/__init__.py")}
    assert rooms - {"cli", "local", "producer", "benchmarks", "tests"} == ROOMS


def test_imports_are_followed_into_packages_functions_and_submodules(tmp_path: Path) -> None:
    handler = "from sql import dialect\nimport json, boto3\ndef f():\n    import infra.deep.down\n"
    ours = {
        "audit_lambda/__init__": "",
        "audit_lambda/handler": handler,
        "sql/__init__": "import yaml",
        "sql/dialect": "from audit_lambda.handler import f",
        "infra/deep/down": "import sqlglot.exp",
    }
    house = planted(tmp_path, ours | {"sql/unused": "import orjson"})
    found = {path.relative_to(house).as_posix() for path in find_modules("audit_lambda.handler", house)}
    assert {f"{name}.py" for name in ours} == found
    assert {"boto3", "pyyaml", "sqlglot"} == find_libraries(replace(AUDIT, files=()), house)


def test_imports_for_types_alone_are_not_followed() -> None:
    source = "if TYPE_CHECKING:\n    import a\nelse:\n    import b\nfrom c import d\n"
    assert {"b", "c", "c.d"} == find_imports(source)


def test_without_its_handler_there_is_no_package(tmp_path: Path) -> None:
    with pytest.raises(PackageFailed, match=r"audit_lambda.handler is not there"):
        own_files(AUDIT, planted(tmp_path, {}))
