"""Views and named queries made through Athena's and Glue's protocols, in the small Athena at home; and by the commands, on a stack."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import boto3
import pytest

from cli.catalog import Catalog, CatalogFailed, describe_plan, describe_views, find_catalog, plan_new
from cli.deploy import deploy_catalog
from infra.stacks import StackState
from local.athena.errors import StatementFailed
from local.athena.hosting import HostedAthena, host_athena
from sql.athena import Athena
from sql.catalog import COUNTED, FIRST_HOUR, MOVED
from sql.compaction import plan_uncompacted_view
from sql.dialect import parse_select
from sql.questions import list_queries
from sql.views import load_views
from tests.infra.templates import tree_of
from tests.local.lake.trades import put, ticker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIEWS = [COUNTED, MOVED, *load_views()]


def soon(_: float) -> None:
    """Looks follow each other as fast as answers come."""
    threading.Event().wait(0.005)


def catalog_of(hosted: HostedAthena) -> Catalog:
    athena = Athena(hosted.client(), workgroup="w", database="d", sleep=soon)
    return Catalog("d", "w", hosted.client("glue"), hosted.client(), athena)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    put(tmp_path / "lake", "a", [ticker(n) for n in range(1, 4)])
    return tmp_path / "lake"


@pytest.fixture
def hosted(lake: Path) -> Iterator[HostedAthena]:
    with host_athena(lake, workgroup="w", database="d") as hosted:
        yield hosted


def test_views_and_named_queries_are_made_and_the_same_again_changes_nothing(hosted: HostedAthena) -> None:
    catalog = catalog_of(hosted)
    said: list[str] = []
    assert VIEWS == catalog.plan().missing_views
    catalog.carry_out(catalog.plan(), said.append)
    assert [*(f"  + view {name}: done" for name in VIEWS), f"  named queries: {len(list_queries())} done"] == said
    assert catalog.plan().is_empty
    assert [(3,)] == catalog.athena.ask(parse_select("SELECT count(*) AS n FROM ticks")).rows
    assert ["\nviews and named queries: nothing to change."] == list(describe_plan(catalog.plan()))
    assert f"views: {len(VIEWS)} of {len(VIEWS)}" == describe_views(catalog.plan_views())


def test_an_advanced_view_survives_the_next_deployment(hosted: HostedAthena) -> None:
    catalog = catalog_of(hosted)
    catalog.carry_out(catalog.plan(), lambda _: None)
    catalog.athena.run(plan_uncompacted_view("2026/11/23/01"))
    catalog.athena.run("DROP VIEW copies")
    plan = catalog.plan()
    catalog.carry_out(plan, lambda _: None)
    assert "'2026/11/23/01'" in hosted.server.service.catalog.view_texts()[MOVED]
    assert FIRST_HOUR not in hosted.server.service.catalog.view_texts()[MOVED]
    lines = list(describe_plan(plan))
    assert f"  = view {MOVED} (from 2026/11/23/01 on, where compaction has left it)" in lines
    assert ["  + view copies", "  ~ view ticks"] == [line for line in lines if re.match("  [+~] view", line)]


def test_a_named_query_that_was_changed_is_changed_back_and_a_persons_own_stays(hosted: HostedAthena) -> None:
    catalog = catalog_of(hosted)
    catalog.carry_out(catalog.plan(), lambda _: None)
    own = {"Name": "vwap", "Database": "d", "QueryString": "SELECT 1", "WorkGroup": "w"}
    own_id = catalog.client.create_named_query(**own)["NamedQueryId"]
    (vwap,) = [step.query for step in catalog.plan().queries if step.query.name == "vwap"]
    changed = vwap.sql.replace("SELECT", "SELECT DISTINCT", 1)
    catalog.client.update_named_query(NamedQueryId=vwap.id, Name="vwap", QueryString=changed)
    assert ["  ~ named query vwap"] == list(describe_plan(catalog.plan()))[1:]
    catalog.carry_out(catalog.plan(), lambda _: None)
    found = catalog.client.batch_get_named_query(NamedQueryIds=[vwap.id, own_id])["NamedQueries"]
    assert [vwap.sql, "SELECT 1"] == [query["QueryString"] for query in found]


def test_a_view_that_cannot_be_made_is_one_sentence_and_the_next_run_goes_on_there(lake: Path) -> None:
    broken = {"ticks"}

    def fail(statement: str) -> None:
        if any(f"VIEW {name} AS" in statement for name in broken):
            raise StatementFailed("Access Denied (Service: Amazon S3)")

    with host_athena(lake, workgroup="w", database="d", before=fail) as hosted:
        catalog = catalog_of(hosted)
        with pytest.raises(CatalogFailed, match=r"the view ticks could not be made: Athena .* Access Denied"):
            catalog.carry_out(catalog.plan(), lambda _: None)
        assert ["ticks"] == catalog.plan().missing_views
        assert "missing: ticks; `ticklake deploy` makes them" in describe_views(catalog.plan_views())
        broken.clear()
        catalog.carry_out(catalog.plan(), lambda _: None)
        assert catalog.plan().is_empty


def test_a_plan_only_says_so_and_a_no_changes_nothing(
    hosted: HostedAthena, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy_catalog(catalog_of(hosted), plan=True, yes=True)
    assert "+ view ticks" in capsys.readouterr().out
    monkeypatch.setattr("click.confirm", lambda _: False)
    deploy_catalog(catalog_of(hosted), plan=False, yes=False)
    assert VIEWS == catalog_of(hosted).plan().missing_views
    deploy_catalog(None, plan=True, yes=True)
    assert f"{len(VIEWS)} views and {len(list_queries())} named queries would be made" in capsys.readouterr().out
    assert len(VIEWS) == len(plan_new().views)


def test_without_a_pipeline_there_is_no_catalog() -> None:
    session = boto3.Session("a", "b", region_name="us-east-1")
    assert find_catalog(session, {}) is None
    assert find_catalog(session, {"pipeline": StackState("p", "CREATE_COMPLETE")}) is None


def test_named_queries_and_views_go_with_the_pipelines_stack() -> None:
    resources = tree_of("pipeline")["Resources"]
    assert resources["Workgroup"]["Properties"]["RecursiveDeleteOption"] is True
    assert "Retain" != resources["Database"].get("DeletionPolicy")
