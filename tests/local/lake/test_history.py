"""Manifests, and which objects the hours that are not served need."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from local.lake.compact import compact_hour, survey_folder
from local.lake.folder import LakeError, open_lake
from local.lake.history import read_manifests
from local.lake.live import RecordDamaged, write_record
from sql.history import Manifest, encode_manifest, history_key, manifest_key, plan_compaction
from tests.local.lake.trades import HOUR, LATER, put, ticker, us

if TYPE_CHECKING:
    from pathlib import Path

NEAR = {"processed/coinbase/ticker/x": ("2026/11/23/02",)}
MANIFEST = Manifest("2026/11/23/02", us(HOUR), "ab12", 3, (history_key("2026/11/23/02", "ab12"),), NEAR)


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / manifest_key(MANIFEST.event_hour), encode_manifest(MANIFEST))
    assert [MANIFEST] == read_manifests(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        json.dumps(encode_manifest(MANIFEST) | {"event_hour": "2026/11/23/03"}),
        json.dumps(encode_manifest(MANIFEST) | {"generation": "../../x"}),
        json.dumps(encode_manifest(MANIFEST) | {"inputs": 7}),
    ],
)
def test_a_manifest_that_says_nothing_known_stops_everybody(tmp_path: Path, text: str) -> None:
    path = tmp_path / manifest_key(MANIFEST.event_hour)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(RecordDamaged, match="cannot be read"):
        read_manifests(tmp_path)
    with pytest.raises(LakeError, match="cannot be read"):
        open_lake(tmp_path)


def test_only_objects_near_an_hour_that_is_not_served_are_needed(tmp_path: Path) -> None:
    put(tmp_path, "a", [ticker(1)])
    both = put(tmp_path, "b", [ticker(2), ticker(3, 3900)])
    later = put(tmp_path, "c", [ticker(4, 3900)], hour="2026/11/23/03")
    first, _ = plan_compaction(survey_folder(tmp_path), now=LATER, from_us=0, to_us=2**62, even_open=False).hours
    compact_hour(tmp_path, first, lambda _: None)
    survey = survey_folder(tmp_path)
    assert [tmp_path / both, tmp_path / later] == survey.needed(tmp_path)
    assert ["2026/11/23/02"] == [manifest.event_hour for manifest in survey.served]


def test_a_row_without_a_time_is_never_lost(tmp_path: Path) -> None:
    put(tmp_path, "a", [ticker(1), ticker(2, event_time_us=None)])
    for hour in plan_compaction(survey_folder(tmp_path), now=LATER, from_us=0, to_us=2**62, even_open=False).hours:
        compact_hour(tmp_path, hour, lambda _: None)
    with open_lake(tmp_path) as lake:
        assert [(1,), (2,)] == lake.connection.execute("SELECT trade_id FROM ticks ORDER BY trade_id").fetchall()


def test_where_nothing_was_compacted_no_object_is_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "processed/coinbase/coverage/2026/11/23/02/x.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no Parquet, and nobody asks")
    assert () == survey_folder(tmp_path).served
