"""The image, the unit and the page about deploying, held against the templates and the program; neither could be built or run here."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from audit_lambda.metrics import METRICS as AUDIT_METRICS
from compact_lambda.metrics import METRICS as COMPACT_METRICS
from infra import ROOT
from infra.package import select_pins
from infra.stacks import WATCHED
from local.lake.answers import run_query
from local.lake.folder import open_lake
from producer.credentials import FILE_VARIABLE, TEXT_VARIABLE, decode_api_key
from producer.metrics import METRICS
from producer.settings import Settings, environment_name
from sql.questions import query_from_sql
from tests.infra.templates import properties

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUSE = ROOT.parent
DOCKERFILE = (HOUSE / "Dockerfile").read_text()
UNIT = (ROOT / "ticklake.service").read_text()
PAGE = (HOUSE / "docs/deploy.md").read_text()
(TASK,) = properties("producer", "AWS::ECS::TaskDefinition").values()
(CONTAINER,) = TASK["ContainerDefinitions"]
KNOWN = {environment_name(name) for name in Settings.__dataclass_fields__} | {"TICKLAKE_EMF", "TICKLAKE_HEALTH_PORT"}


def test_every_stage_stands_on_a_digest_that_has_to_be_said() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE)
    assert ["python:3.13-slim@${PYTHON_DIGEST}"] * 2 == bases
    assert "ARG PYTHON_DIGEST\n" in DOCKERFILE


def test_the_image_runs_as_the_templates_user_and_is_asked_the_same_question() -> None:
    assert f"USER {CONTAINER['User']}" in DOCKERFILE
    assert DOCKERFILE.index("USER ") < DOCKERFILE.index("ENTRYPOINT")
    (asked,) = re.findall(r"^    CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)
    assert ["CMD", *json.loads(asked)] == CONTAINER["HealthCheck"]["Command"]
    journal = CONTAINER["MountPoints"][0]["ContainerPath"]
    assert f'VOLUME ["{journal}"]' in DOCKERFILE


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    ignored = (HOUSE / ".dockerignore").read_text().splitlines()
    assert "*" == ignored[0]
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (HOUSE / source).exists(), source
            assert f"!{source}" in ignored, source


def test_the_images_lock_pins_what_the_run_lock_pins() -> None:
    small, large = ((HOUSE / "requirements" / name).read_text() for name in ("producer.lock", "run.lock"))
    names = re.findall(r"^([a-z0-9-]+)==", small, flags=re.MULTILINE)
    for one, other in zip(select_pins(small, names), select_pins(large, names), strict=True):
        assert re.findall(r"^\S+|--hash=\S+", one) == re.findall(r"^\S+|--hash=\S+", other)
    assert not {"duckdb", "pyarrow", "aiohttp"} & set(names)


def unit_environment() -> Iterator[tuple[str, str]]:
    for line in re.findall(r"^Environment=(.*)$", UNIT, flags=re.MULTILINE):
        for pair in line.split():
            name, _, value = pair.partition("=")
            yield name, value


def test_the_unit_waits_longer_than_the_producer_drains() -> None:
    given = dict(unit_environment())
    (limit_s,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, flags=re.MULTILINE)
    assert float(given["TICKLAKE_DRAIN_S"]) < int(limit_s)
    assert "KillSignal=SIGTERM" in UNIT


def test_image_and_unit_set_only_what_the_producer_can_be_told() -> None:
    set_in_image = set(re.findall(r"\b(TICKLAKE_[A-Z_]+)=", DOCKERFILE))
    set_in_unit = {name for name, _ in unit_environment() if name.startswith("TICKLAKE_")}
    assert set_in_image | set_in_unit <= KNOWN


@pytest.mark.parametrize(
    "line", ["NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", "CapabilityBoundingSet="]
)
def test_the_unit_gives_the_producer_nothing_but_its_folder(line: str) -> None:
    assert line in UNIT.splitlines()


def test_the_pages_first_question_is_one_that_the_lake_answers(tmp_path: Path) -> None:
    (sql,) = re.findall(r"^```sql\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    with open_lake(tmp_path) as lake:
        assert ["product_id", "rows_seen", "last_price"] == list(run_query(lake, query_from_sql(sql), {}).columns)


def test_the_page_counts_metrics_and_alarms_as_there_are() -> None:
    assert f"the producer's {len(METRICS)}," in PAGE
    assert f"the audit's {len(AUDIT_METRICS)} and the compaction's {len(COMPACT_METRICS)}," in PAGE
    count = sum(len(properties(stack, "AWS::CloudWatch::Alarm")) for stack in WATCHED)
    assert f"alarms: {count} at" in PAGE


def test_the_page_says_that_nothing_was_run_on_aws() -> None:
    assert "**None of this has been run against AWS yet**" in PAGE


def test_every_parameter_that_the_page_sets_exists() -> None:
    given = set(re.findall(r"--set ([A-Za-z]+)=", PAGE))
    declared = {name for stack in ("storage", "pipeline", "producer") for name in parameters(stack)}
    assert given <= declared


def parameters(stack: str) -> list[str]:
    return re.findall(
        r"^  ([A-Za-z]+):\n    Type: ",
        (ROOT / f"{stack}.yaml").read_text().split("\nResources:")[0],
        flags=re.MULTILINE,
    )


def test_the_agent_reads_what_the_unit_writes_into_a_group_that_the_key_lets_in() -> None:
    agent = json.loads((ROOT / "cloudwatch-agent.json").read_text())
    (collected,) = agent["logs"]["logs_collected"]["files"]["collect_list"]
    assert f"StandardOutput=append:{collected['file_path']}\n" in UNIT
    (key,) = properties("storage", "AWS::KMS::Key").values()
    patterns = key["KeyPolicy"]["Statement"][1]["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    group = f"arn:aws:logs:us-east-1:000000000000:log-group:{collected['log_group_name']}"
    assert any(fnmatchcase(group, pattern) for pattern in patterns)
    assert f"--log-group-name {collected['log_group_name']} --kms-key-id" in PAGE
    assert f"{collected['file_path']} {{" in PAGE, "it is rotated"


def test_the_container_is_handed_the_api_key_in_the_variable_that_is_read_and_only_if_there_is_one() -> None:
    arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:coinbase-AbCdEf"
    (task,) = properties("producer", "AWS::ECS::TaskDefinition", ApiKeySecretArn=arn).values()
    (container,) = task["ContainerDefinitions"]
    assert [{"Name": TEXT_VARIABLE, "ValueFrom": arn}] == container["Secrets"]
    assert "Secrets" not in CONTAINER
    assert TEXT_VARIABLE not in {each["Name"] for each in container["Environment"]}, (
        "everybody who may look would see it"
    )


def test_the_pages_secret_is_one_that_the_producer_reads() -> None:
    (text,) = re.findall(r"^(\{\"key\": .*\})$", PAGE, flags=re.MULTILINE)
    assert decode_api_key(text).sign(0)
    assert f"Environment={FILE_VARIABLE}=%%d/" in PAGE, "printf makes one % of two"
