"""
The promise between the programs: JSON Schemas of frames, line and row, the closed sets of reasons, and the one reading of them.

Road order: reasons, objects, validation, rules, columns, messages; beside it pattern and ticker, which recognise the common ticker.
Laws: whether a message is good is decided here and nowhere else, so that programs which may not import each other agree; pure.
Refuses to know: who reads it. dictionary.md explains every field; examples/ must pass or must fail, as their names say.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent


@cache
def load_schema(name: str) -> dict[str, Any]:
    """
    One JSON Schema (draft 7), parsed: `line`, `row`, `frames/ticker`, `testimony/gap`, and so on; version 1.

    Raises: FileNotFoundError if the contract has no such schema.
    Caller must: not change what it gets (it is cached).
    """
    schema: dict[str, Any] = json.loads((ROOT / f"{name}.v1.schema.json").read_text(encoding="utf-8"))
    return schema


@cache
def load_reasons(about: str) -> dict[str, str]:
    """Every reason (`refusal` or `gap`), with the sentence that explains it."""
    reasons: dict[str, str] = json.loads((ROOT / "reasons.json").read_text(encoding="utf-8"))[about]
    return reasons
