"""
The views and named queries of a deployed pipeline: what is there, what would change, and the change made.

Laws: shown before it is made, and what is as it should be is left alone, so that the same command again changes nothing; each step is said.
They go with the pipeline's stack: the workgroup takes its named queries with it (RecursiveDeleteOption), the database its views.
Refuses to know: what a view says, in which order (sql/catalog.py).
Source: AWS Glue API reference, GetTables, DeleteDatabase; Amazon Athena API reference, named queries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from cli.athena import NEEDED, connect_deployed
from infra.cloudformation import calling
from infra.errors import DeployError
from sql.catalog import NamedQuery, decode_view, plan_named_queries, plan_views
from sql.engine import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import boto3

    from infra.stacks import StackState
    from sql.athena import Athena
    from sql.catalog import QueryStep, StoredView, ViewStep

_SIGNS: Final = {"make": "+", "change": "~", "remove": "-"}
_BATCH: Final = 50  # BatchGetNamedQuery's limit


class CatalogFailed(DeployError):  # noqa: N818 - the house names errors by what happened
    """A view or named query could not be made."""

    def __init__(self, *, what: str, why: str) -> None:
        self.what = what
        super().__init__(
            f"The stacks are as they should be, but {what} could not be made: {why} Put that right and run the same command again."
        )


@dataclass(frozen=True, slots=True)
class CatalogPlan:
    """What is to be done to the views, in their order, and to the named queries."""

    views: Sequence[ViewStep]
    queries: Sequence[QueryStep]

    @property
    def is_empty(self) -> bool:
        """Whether all is as it should be."""
        return {"keep"} >= {view.action for view in self.views} | {query.action for query in self.queries}

    @property
    def missing_views(self) -> list[str]:
        """Views that are not there."""
        return [step.name for step in self.views if step.action == "make"]


@dataclass(frozen=True, slots=True)
class Catalog:
    """One pipeline's database and workgroup, and how they are reached."""

    database: str
    workgroup: str
    glue: Any
    client: Any
    athena: Athena

    def plan(self) -> CatalogPlan:
        """What is to be done. Raises: AwsRefused."""
        return CatalogPlan(plan_views(self._read_views()), plan_named_queries(self._read_queries()))

    def plan_views(self) -> CatalogPlan:
        """The same, of views alone. Raises: AwsRefused."""
        return CatalogPlan(plan_views(self._read_views()), ())

    def carry_out(self, plan: CatalogPlan, say: Callable[[str], None]) -> None:
        """
        Do it, a step after the other.

        Raises: CatalogFailed, AwsRefused.
        """
        for step in plan.views:
            if step.action != "keep":
                try:
                    self.athena.run(step.statement)
                except EngineFailed as failed:
                    raise CatalogFailed(what=f"the view {step.name}", why=str(failed)) from failed
                say(f"  {_SIGNS[step.action]} view {step.name}: done")
        changes = [step for step in plan.queries if step.action != "keep"]
        for change in changes:
            with calling(f"changing the named query {change.query.name}"):
                self._change(change)
        if changes:
            say(f"  named queries: {len(changes)} done")

    def _change(self, step: QueryStep) -> None:
        query = step.query
        said = {"Name": query.name, "Description": query.description, "QueryString": query.sql}
        if step.action == "make":
            place = {"Database": self.database, "WorkGroup": self.workgroup, "ClientRequestToken": str(uuid4())}
            self.client.create_named_query(**said, **place)
        elif step.action == "change":
            self.client.update_named_query(NamedQueryId=query.id, **said)
        else:
            self.client.delete_named_query(NamedQueryId=query.id)

    def _read_views(self) -> dict[str, StoredView]:
        with calling(f"looking at the views of {self.database}"):
            pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=self.database)
            tables = [table for page in pages for table in page["TableList"]]
        return {table["Name"]: decode_view(table) for table in tables if table.get("TableType") == "VIRTUAL_VIEW"}

    def _read_queries(self) -> list[NamedQuery]:
        with calling(f"looking at the named queries of {self.workgroup}"):
            pages = self.client.get_paginator("list_named_queries").paginate(WorkGroup=self.workgroup)
            ids = [id_ for page in pages for id_ in page["NamedQueryIds"]]
            found = [
                query
                for at in range(0, len(ids), _BATCH)
                for query in self.client.batch_get_named_query(NamedQueryIds=ids[at : at + _BATCH])["NamedQueries"]
            ]
        return [
            NamedQuery(each["Name"], each.get("Description", ""), each["QueryString"], id=each["NamedQueryId"])
            for each in found
        ]


def find_catalog(session: boto3.Session, states: Mapping[str, StackState]) -> Catalog | None:
    """The catalog of a deployed pipeline; None where there is no pipeline yet. Raises: EngineFailed."""
    outputs = states["pipeline"].outputs if "pipeline" in states else {}
    if not set(NEEDED) <= outputs.keys():
        return None
    return Catalog(
        database=outputs["DatabaseName"],
        workgroup=outputs["WorkgroupName"],
        glue=session.client("glue"),
        client=session.client("athena"),
        athena=connect_deployed(session, outputs),
    )


def describe_plan(plan: CatalogPlan) -> Iterator[str]:
    """What would be done, as lines."""
    if plan.is_empty:
        yield "\nviews and named queries: nothing to change."
        yield from (_describe_view(step) for step in plan.views if step.note)
        return
    yield "\nviews and named queries will be changed:"
    for step in plan.views:
        if step.action != "keep" or step.note:
            yield _describe_view(step)
    for query in plan.queries:
        if query.action != "keep":
            yield f"  {_SIGNS[query.action]} named query {query.query.name}"


def _describe_view(step: ViewStep) -> str:
    return f"  {_SIGNS.get(step.action, '=')} view {step.name}" + (f" ({step.note})" if step.note else "")


def describe_views(plan: CatalogPlan) -> str:
    """Whether the views are there, in a line."""
    missing = plan.missing_views
    old = [step.name for step in plan.views if step.action == "change"]
    line = f"views: {len(plan.views) - len(missing)} of {len(plan.views)}"
    line += f"; missing: {', '.join(missing)}" if missing else ""
    line += f"; not as this version has them: {', '.join(old)}" if old else ""
    return line + ("; `ticklake deploy` makes them" if missing or old else "")


def plan_new() -> CatalogPlan:
    """What is done in an account where nothing is yet."""
    return CatalogPlan(plan_views({}), plan_named_queries([]))
