"""What the function is told."""

from __future__ import annotations

import pytest

from compact_lambda.settings import Settings, read_settings
from infra.environment import SettingsRefused

TOLD = {
    "TICKLAKE_LAKE_BUCKET": "ticklake-lake-1",
    "TICKLAKE_WORK_BUCKET": "ticklake-work-1",
    "TICKLAKE_DATABASE": "ticklake",
    "TICKLAKE_WORKGROUP": "ticklake-pipeline",
}


def test_the_environment_says_where_the_lake_is() -> None:
    expected = Settings(
        lake_bucket="ticklake-lake-1", work_bucket="ticklake-work-1", database="ticklake", workgroup="ticklake-pipeline"
    )
    assert expected == read_settings(TOLD | {"PATH": "/bin"})


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("text", [None, "", "x/../y", "a b'"])
def test_what_is_missing_or_wrong_is_named(name: str, text: str | None) -> None:
    told = {key: value for key, value in TOLD.items() if key != name} | ({} if text is None else {name: text})
    with pytest.raises(SettingsRefused, match=name):
        read_settings(told)
