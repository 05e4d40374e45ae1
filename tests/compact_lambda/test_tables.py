"""From which hour on the catalog lets Athena see history."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from moto import mock_aws

from compact_lambda.tables import RANGE, TABLE, decode_first_hour, read_first_hour
from sql.glue import read_table


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026/11/22/00,NOW+1HOURS", "2026/11/22/00"),
        ("2014/01/01/00,2026/11/23/05", "2014/01/01/00"),
        ("NOW-3YEARS,NOW", ""),
        ("2026/11/22,NOW", ""),
        ("2026/11/22/00", ""),
        ("", ""),
    ],
)
def test_a_range_begins_with_an_hour_or_cannot_be_told(text: str, hour: str) -> None:
    assert hour == decode_first_hour(text)


def test_the_template_says_it_where_it_is_looked_for() -> None:
    assert "${LakeFirstHour},NOW+1HOURS" == read_table(TABLE).parameters[RANGE]


def glue_with_history(database: str, **parameters: str) -> Any:
    """Moto's Glue with the table, and these parameters."""
    glue = boto3.client("glue", "us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(DatabaseName=database, TableInput={"Name": TABLE, "Parameters": parameters})
    return glue


def test_the_catalog_is_asked() -> None:
    with mock_aws():
        glue = glue_with_history("ticks", **{RANGE: "2026/11/22/00,NOW+1HOURS"})
        assert "2026/11/22/00" == read_first_hour(glue, database="ticks")
        glue_with_history("bare")
        assert not read_first_hour(glue, database="bare")
