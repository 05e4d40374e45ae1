from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import pytest

from local.athena.hosting import HostedAthena, host_athena, main

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_served_for_as_long_as_the_with_lasts(tmp_path: Path) -> None:
    with host_athena(tmp_path, workgroup="w") as hosted:
        client = hosted.client()
        assert client.start_query_execution(QueryString="SELECT 1 AS x", WorkGroup="w")["QueryExecutionId"]
    with host_athena(tmp_path) as first:
        taken = host_athena(tmp_path, port=int(first.url.rpartition(":")[2]))
        with pytest.raises(OSError, match="in use"):
            taken.__enter__()


def test_as_a_program_it_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stop = threading.Event()
    stop.set()
    main(["--lake", str(tmp_path), "--port", "0"], stop=stop)
    assert re.fullmatch(rf"Athena for {tmp_path} is at http://127\.0\.0\.1:\d+ .*\n", capsys.readouterr().out)


def test_clients_of_both_services_talk_to_it(tmp_path: Path) -> None:
    with host_athena(tmp_path, database="d") as hosted:
        assert isinstance(hosted, HostedAthena)
        assert hosted.client("glue").get_tables(DatabaseName="d")["TableList"]
