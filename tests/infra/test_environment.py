"""A function's environment: whole texts are held against their forms, and what is refused is named."""

from __future__ import annotations

import pytest

from infra.environment import BUCKET, DATABASE, SettingsRefused, read_environment

FORMS = {"lake_bucket": BUCKET, "database": DATABASE}
TOLD = {"TICKLAKE_LAKE_BUCKET": "ticklake-lake-1", "TICKLAKE_DATABASE": "ticklake"}


def test_each_setting_has_the_text_of_its_variable() -> None:
    assert {"lake_bucket": "ticklake-lake-1", "database": "ticklake"} == read_environment(
        FORMS, TOLD | {"PATH": "/bin"}
    )


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("text", ["", "a b'", "ticklake\n", "../x"])
def test_what_is_wrong_is_named_with_who_sets_it(name: str, text: str) -> None:
    with pytest.raises(SettingsRefused, match=f"{name} cannot be .* `ticklake deploy` sets it"):
        read_environment(FORMS, TOLD | {name: text})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsRefused, match="TICKLAKE_DATABASE is not set"):
        read_environment(FORMS, {"TICKLAKE_LAKE_BUCKET": "ticklake-lake-1"})
