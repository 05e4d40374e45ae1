"""All templates: their order, what they say about themselves, who may what, and what stays when they go."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from audit_lambda.metrics import METRICS as AUDIT_METRICS
from audit_lambda.settings import read_settings as read_audit_settings
from audit_lambda.spans import decode_event
from compact_lambda.metrics import METRICS as COMPACT_METRICS
from compact_lambda.settings import read_settings as read_compact_settings
from infra import ROOT
from infra.stacks import PARTITIONING_FACTOR, WATCHED
from local.firehose.metrics import UNITS
from producer.errors import SettingsError
from producer.metrics import METRICS
from producer.settings import Settings, environment_name
from sql.history import GRACE
from sql.hours import hour_start_us, lake_hour
from tests.infra.templates import STACKS, as_list, properties, resolver_of, statements, text_of, tree_of
from transform_lambda.metrics import NAMESPACE

HOUSE = ROOT.parent
SECTIONS = ["AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Conditions", "Resources", "Outputs"]
BODY_LIMIT_BYTES = 51_200  # of a template that travels inside the call (CloudFormation, "Quotas")
HOLD_DATA = {
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::KMS::Key",
    "AWS::KMS::Alias",
    "AWS::EFS::FileSystem",
    "AWS::ECR::Repository",
}
# What may be everything, and why: every other statement names its resources.
EVERYTHING = {
    ("storage", "kms:*"): "the default key policy's statement",
    ("storage", "kms:Encrypt"): "in a key policy, this key",
    ("storage", "kms:Decrypt"): "in a key policy, this key",
    ("producer", "ecr:GetAuthorizationToken"): "the call names no resource",
}
# AWS documents no condition for these: Lambda's execution role, and ECS's start of a task.
UNCONDITIONED = {
    ("pipeline", "TransformRole"),
    ("upkeep", "AuditRole"),
    ("upkeep", "CompactRole"),
    ("producer", "ExecutionRole"),
}
GIVEN = {
    "storage": {"ReplicaRegion": "eu-west-1"},
    "pipeline": {},
    "upkeep": {"CompactReservedConcurrency": "1"},
    "producer": {
        "ApiKeySecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:coinbase-AbCdEf",
        "ApiKeyKmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
    },
}
STATEMENTS = [(stack, path, each) for stack in STACKS for path, each in statements(stack, **GIVEN[stack])]


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_template_is_known_here() -> None:
    templates = {path.stem for path in ROOT.glob("*.yaml") if "AWSTemplateFormatVersion" in path.read_text()}
    assert set(STACKS) == templates


def test_sections_stand_in_the_house_order(stack: str) -> None:
    assert [section for section in SECTIONS if section in tree_of(stack)] == list(tree_of(stack))


@pytest.mark.parametrize("section", ["Parameters", "Outputs"])
def test_every_parameter_and_output_is_described(stack: str, section: str) -> None:
    for name, declared in tree_of(stack)[section].items():
        assert declared.get("Description", "").endswith("."), name


def test_every_parameter_is_in_a_group_of_the_console(stack: str) -> None:
    groups = tree_of(stack)["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(tree_of(stack)["Parameters"]) == sorted(name for group in groups for name in group["Parameters"])


def test_every_parameter_is_used(stack: str) -> None:
    body = text_of(stack).split("\nResources:\n")[1] + json.dumps(tree_of(stack).get("Conditions", {}))
    for name in tree_of(stack)["Parameters"]:
        assert re.search(rf"!Ref {name}\b|\${{{name}}}|\"Ref\": \"{name}\"", body), name


def test_a_wildcard_has_its_reason_on_the_same_line(stack: str) -> None:
    resources = text_of(stack).split("\nResources:\n")[1]
    for line in resources.splitlines():
        if "*" in line.split(" #")[0] and not line.lstrip().startswith("#"):
            assert re.search(r" #\s+\S+ \S+ \S+", line), line


def test_a_template_travels_inside_the_call(stack: str) -> None:
    assert len(text_of(stack).encode()) <= BODY_LIMIT_BYTES


# ---------------------------------------------------------------------- who may what


@pytest.mark.parametrize(("stack_name", "path", "each"), STATEMENTS, ids=[f"{s}-{p}" for s, p, _ in STATEMENTS])
def test_a_statement_names_its_actions_and_its_resources(stack_name: str, path: str, each: dict[str, Any]) -> None:
    actions = as_list(each["Action"])
    resources = as_list(each.get("Resource", []))
    if each["Effect"] == "Deny":
        assert {"AWS": "*"} == each["Principal"] or "*" == each["Principal"], "a refusal is meant for everybody"
        assert each["Condition"], "a refusal without a condition locks everybody out"
        return
    assert not any("*" in action for action in actions) or (stack_name, actions[0]) in EVERYTHING, path
    assert "*" not in resources or (stack_name, actions[0]) in EVERYTHING, path
    assert not any(":*:*" in resource or ":*:log" in resource for resource in resources), "a log group's ARN ends in :*"
    assert "NotAction" not in each
    assert "NotResource" not in each


@pytest.mark.parametrize(("stack_name", "path", "each"), STATEMENTS, ids=[f"{s}-{p}" for s, p, _ in STATEMENTS])
def test_a_service_may_act_for_this_account_only(stack_name: str, path: str, each: dict[str, Any]) -> None:
    services = as_list(each.get("Principal", {}).get("Service", [])) if isinstance(each.get("Principal"), dict) else []
    conditions = {key for test in each.get("Condition", {}).values() for key in test}
    if services and (stack_name, path.split(".", maxsplit=1)[0]) not in UNCONDITIONED:
        assert conditions & {"aws:SourceAccount", "sts:ExternalId", "kms:EncryptionContext:aws:logs:arn"}, path


def test_no_role_may_do_another_ones_work() -> None:
    by_role: dict[str, set[str]] = {}
    for _, path, each in STATEMENTS:
        role = path.split(".")[0]
        if "AssumeRolePolicy" not in path and role.endswith("Role"):
            by_role.setdefault(role, set()).update(action.split(":")[0] for action in as_list(each["Action"]))
    assert {
        "ReplicationRole": {"s3", "kms"},
        "TransformRole": {"logs"},
        "DeliveryRole": {"s3", "kms", "lambda", "logs", "glue"},
        "ClockRole": {"lambda", "sqs"},
        "AuditRole": {"athena", "glue", "s3", "kms", "sns", "sqs", "logs"},
        "CompactRole": {"athena", "glue", "s3", "kms", "sqs", "logs"},
        "ExecutionRole": {"ecr", "logs", "secretsmanager", "kms"},
        "TaskRole": {"firehose"},
    } == by_role


def execution_role(service: str, **given: str) -> list[dict[str, Any]]:
    return [
        each
        for path, each in statements("producer", **given)
        if path.startswith("ExecutionRole.Policies") and as_list(each["Action"])[0].startswith(f"{service}:")
    ]


def test_the_api_keys_secret_is_that_one_and_its_key_serves_for_it_only() -> None:
    given = GIVEN["producer"]
    (secret,) = execution_role("secretsmanager", **given)
    assert ("secretsmanager:GetSecretValue", given["ApiKeySecretArn"]) == (secret["Action"], secret["Resource"])
    (key,) = execution_role("kms", **given)
    assert ("kms:Decrypt", given["ApiKeyKmsKeyArn"]) == (key["Action"], key["Resource"])
    assert {
        "StringEquals": {
            "kms:ViaService": "secretsmanager.us-east-1.amazonaws.com",
            "kms:EncryptionContext:SecretARN": given["ApiKeySecretArn"],
        }
    } == key["Condition"]


@pytest.mark.parametrize("kept", [(), ("ApiKeySecretArn",), ("ApiKeyKmsKeyArn",)])
def test_nobody_may_read_a_secret_that_was_not_named(kept: tuple[str, ...]) -> None:
    given = {name: GIVEN["producer"][name] for name in kept}
    assert ("ApiKeySecretArn" in kept) == bool(execution_role("secretsmanager", **given))
    assert [] == execution_role("kms", **given)


@pytest.mark.parametrize(
    ("arn", "good"),
    [
        ("", True),
        ("arn:aws:secretsmanager:us-east-1:000000000000:secret:coinbase-AbCdEf", True),
        ("arn:aws-cn:secretsmanager:cn-north-1:000000000000:secret:a/b-AbCdEf", True),
        ("arn:aws:secretsmanager:us-east-1:000000000000:secret:*", False),
        ("arn:aws:secretsmanager:us-east-1:000000000000:secret:coinbase-AbCdEf:key::", False),
        ("arn:aws:ssm:us-east-1:000000000000:parameter/coinbase", False),
    ],
)
def test_a_secret_is_named_whole_and_without_a_wildcard(arn: str, good: bool) -> None:
    pattern = tree_of("producer")["Parameters"]["ApiKeySecretArn"]["AllowedPattern"]
    assert good == bool(re.fullmatch(pattern, arn))


# ---------------------------------------------------------------------- what stays, and how it is kept


def test_what_holds_data_stays_when_its_stack_goes(stack: str) -> None:
    for name, resource in tree_of(stack)["Resources"].items():
        if resource["Type"] in HOLD_DATA:
            assert ("RetainExceptOnCreate", "Retain") == (
                resource["DeletionPolicy"],
                resource["UpdateReplacePolicy"],
            ), name


@pytest.mark.parametrize("name", ["LakeBucket", "WorkBucket", "AccessLogBucket"])
def test_a_bucket_is_private_encrypted_and_tls_only(name: str) -> None:
    bucket = properties("storage", "AWS::S3::Bucket")[name]
    assert {True} == set(bucket["PublicAccessBlockConfiguration"].values())
    assert {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]} == bucket["OwnershipControls"]
    rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    algorithm = rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
    assert ("AES256" if name == "AccessLogBucket" else "aws:kms") == algorithm
    assert rule.get("BucketKeyEnabled", False) == (algorithm == "aws:kms")
    policy = properties("storage", "AWS::S3::BucketPolicy")[f"{name}Policy"]
    refusals = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Deny"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [each["Condition"] for each in refusals]
    assert all(
        resource.startswith(f"arn:aws:s3:::{bucket['BucketName']}")
        for each in refusals
        for resource in as_list(each["Resource"])
    )


def test_a_call_without_encryption_headers_is_let_through_and_another_key_is_not() -> None:
    policy = properties("storage", "AWS::S3::BucketPolicy")["LakeBucketPolicy"]["PolicyDocument"]["Statement"]
    header, key = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
    ours = resolver_of("storage").arn_of("LakeKey", "")
    for given, refused in (
        ({}, False),
        ({header: "AES256"}, True),
        ({header: "aws:kms"}, False),
        ({header: "aws:kms", key: ours}, False),
        ({header: "aws:kms", key: ours + "2"}, True),
    ):
        assert refused == any(denies(each, given) for each in policy if each["Action"] == "s3:PutObject"), given


def denies(statement: dict[str, Any], given: dict[str, str]) -> bool:
    """Null and StringNotEquals as IAM reads them: all tests have to hold, and an absent key is not equal to anything."""
    tests = statement["Condition"]
    absent = all((key not in given) == (wanted == "true") for key, wanted in tests["Null"].items())
    return absent and all(given.get(key) != wanted for key, wanted in tests["StringNotEquals"].items())


def test_no_parameter_can_rename_what_holds_data() -> None:
    for kind in ("AWS::S3::Bucket", "AWS::KMS::Alias", "AWS::ECR::Repository"):
        ordinary, other = (properties("storage", kind, ReplicaRegion=region) for region in ("", "eu-west-1"))
        for name, bucket in ordinary.items():
            for key in ("BucketName", "AliasName", "RepositoryName"):
                assert bucket.get(key) == other[name].get(key)


def test_the_replica_is_what_the_same_template_makes_over_there() -> None:
    here = properties("storage", "AWS::S3::Bucket", ReplicaRegion="eu-west-1")["LakeBucket"]
    (rule,) = here["ReplicationConfiguration"]["Rules"]
    assert f"arn:aws:s3:::{here['BucketName'].replace('us-east-1', 'eu-west-1')}" == rule["Destination"]["Bucket"]
    alias = properties("storage", "AWS::KMS::Alias")["LakeKeyAlias"]["AliasName"]
    assert rule["Destination"]["EncryptionConfiguration"]["ReplicaKmsKeyID"].endswith(f"eu-west-1:000000000000:{alias}")
    assert "ReplicationConfiguration" not in properties("storage", "AWS::S3::Bucket")["LakeBucket"]


def test_the_key_turns_and_every_log_is_encrypted_and_expires() -> None:
    assert properties("storage", "AWS::KMS::Key")["LakeKey"]["EnableKeyRotation"] is True
    for stack_name in ("pipeline", "upkeep", "producer"):
        for name, group in properties(stack_name, "AWS::Logs::LogGroup").items():
            assert group["KmsKeyId"], name
            assert group["RetentionInDays"], name


def test_the_key_lets_every_log_group_use_it() -> None:
    statement = properties("storage", "AWS::KMS::Key")["LakeKey"]["KeyPolicy"]["Statement"][1]
    allowed = [
        arn.split(":log-group:")[1].rstrip("*")
        for arn in statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    ]
    for stack_name in ("pipeline", "upkeep", "producer"):
        for group in properties(stack_name, "AWS::Logs::LogGroup").values():
            assert any(group["LogGroupName"].startswith(prefix) for prefix in allowed), group["LogGroupName"]


def test_answers_are_encrypted_bounded_and_expire() -> None:
    (workgroup,) = properties("pipeline", "AWS::Athena::WorkGroup").values()
    settings = workgroup["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    assert 10_000_000 <= int(settings["BytesScannedCutoffPerQuery"])
    results = settings["ResultConfiguration"]
    assert "SSE_KMS" == results["EncryptionConfiguration"]["EncryptionOption"]
    prefix = results["OutputLocation"].split("/", 3)[3]
    rules = properties("storage", "AWS::S3::Bucket")["WorkBucket"]["LifecycleConfiguration"]["Rules"]
    assert prefix in [rule.get("Prefix") for rule in rules if "ExpirationInDays" in rule]


def test_the_lakes_rules_are_about_the_prefixes_that_the_stream_writes() -> None:
    (stream,) = properties("pipeline", "AWS::KinesisFirehose::DeliveryStream").values()
    target = stream["ExtendedS3DestinationConfiguration"]
    written = {
        prefix.split("/")[0] + "/"
        for prefix in (target["Prefix"], target["ErrorOutputPrefix"], target["S3BackupConfiguration"]["Prefix"])
    }
    rules = properties("storage", "AWS::S3::Bucket")["LakeBucket"]["LifecycleConfiguration"]["Rules"]
    assert {rule["Prefix"] for rule in rules if "Prefix" in rule} <= written
    assert "processed/" not in {rule.get("Prefix") for rule in rules}, "rows never expire by themselves"


# ---------------------------------------------------------------------- what runs by the clock


def upkeep_statements(role: str, service: str) -> list[dict[str, Any]]:
    return [
        each
        for stack_name, path, each in STATEMENTS
        if stack_name == "upkeep"
        and path.split(".")[0] == role
        and any(action.startswith(f"{service}:") for action in as_list(each["Action"]))
    ]


def allowed(role: str, service: str) -> dict[str, set[str]]:
    """A role's actions of one service, each with its resources."""
    found: dict[str, set[str]] = {}
    for each in upkeep_statements(role, service):
        for action in as_list(each["Action"]):
            found.setdefault(action.split(":")[1], set()).update(as_list(each["Resource"]))
    return found


def test_the_audit_writes_its_reports_and_athenas_results_and_nothing_else() -> None:
    assert {"arn:aws:s3:::lake/reports/*", "arn:aws:s3:::work/results/*"} == allowed("AuditRole", "s3")["PutObject"]
    assert not {"DeleteObject", "PutObjectAcl"} & allowed("AuditRole", "s3").keys()
    assert not {"CreateTable", "UpdateTable", "DeleteTable"} & allowed("AuditRole", "glue").keys()


def test_the_compaction_touches_no_row_and_no_line_as_it_was_sent() -> None:
    s3 = allowed("CompactRole", "s3")
    for action in ("PutObject", "DeleteObject"):
        assert not [arn for arn in s3[action] if "/processed/" in arn or "/raw/" in arn or "/errors/" in arn]
    assert "arn:aws:s3:::lake/compacted/*" not in s3["DeleteObject"]
    tables = {arn for arn in allowed("CompactRole", "glue")["UpdateTable"] if ":table/" in arn}
    assert ["uncompacted"] == [arn.rpartition("/")[2] for arn in tables]


@pytest.mark.parametrize("role", ["AuditRole", "CompactRole"])
def test_a_function_reads_tables_that_exist_in_the_database_it_asks(role: str) -> None:
    tables = {each["TableInput"]["Name"] for each in properties("pipeline", "AWS::Glue::Table").values()}
    arns = {arn for arn in allowed(role, "glue")["GetTable"] if ":table/" in arn}
    named = {arn.partition(":table/")[2] for arn in arns}
    assert {name.split("/")[0] for name in named} == {"ticklake"}
    views = {"processed", "uncompacted"}
    assert {name.split("/")[1] for name in named} - views <= tables
    assert {"delivered", "replays", *views} <= {name.split("/")[1] for name in named}


@pytest.mark.parametrize("role", ["AuditRole", "CompactRole"])
def test_the_key_is_used_through_the_services_that_need_it_only(role: str) -> None:
    for each in upkeep_statements(role, "kms"):
        (service,) = as_list(each["Condition"]["StringEquals"]["kms:ViaService"])
        assert service in {"s3.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com"}
        assert service.startswith("sns") or each["Condition"]["StringLike"]["kms:EncryptionContext:aws:s3:arn"]


def test_functions_are_told_what_they_ask_to_be_told() -> None:
    functions = properties("upkeep", "AWS::Lambda::Function")
    assert read_audit_settings(functions["Audit"]["Environment"]["Variables"]).database == "ticklake"
    assert read_compact_settings(functions["Compact"]["Environment"]["Variables"]).work_bucket == "work"


def schedules() -> dict[str, dict[str, Any]]:
    return {each["Name"]: each for each in properties("upkeep", "AWS::Scheduler::Schedule").values()}


def minutes_after_the_hour(schedule: dict[str, Any]) -> int:
    minute, hour, *rest = schedule["ScheduleExpression"].removeprefix("cron(").removesuffix(")").split()
    assert ["*", "*", "?", "*"] == rest or [hour, *rest] == ["*", "*", "*", "?", "*"]
    return int(minute) + (0 if hour == "*" else 60 * int(hour))


def test_nothing_is_audited_or_compacted_before_its_rows_can_be_there() -> None:
    rules = tree_of("pipeline")["Parameters"]
    transform_s, lake_s = (int(rules[name]["MaxValue"]) for name in ("TransformBufferSeconds", "LakeBufferSeconds"))
    (function,) = properties("pipeline", "AWS::Lambda::Function").values()
    longest_s = transform_s + int(function["Timeout"]) + PARTITIONING_FACTOR * lake_s
    for schedule in schedules().values():
        assert longest_s <= 60 * minutes_after_the_hour(schedule)
        assert "UTC" == schedule["ScheduleExpressionTimezone"]
    assert 60 * minutes_after_the_hour(schedules()["compact-hourly"]) > GRACE.total_seconds()


def test_an_hour_is_compacted_before_it_is_audited() -> None:
    assert minutes_after_the_hour(schedules()["compact-hourly"]) < minutes_after_the_hour(schedules()["audit-hourly"])


@pytest.mark.parametrize("name", ["audit-hourly", "audit-daily"])
def test_an_audits_event_is_about_the_hours_before_the_instant_it_was_due(name: str) -> None:
    text = schedules()[name]["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", "2026-11-23T02:50:00Z")
    span = decode_event(json.loads(text), now_us=hour_start_us("2026/11/23/03"))
    ends = {"audit-hourly": "2026/11/23/02", "audit-daily": "2026/11/23/00"}
    assert (name.removeprefix("audit-"), ends[name]) == (span.kind, lake_hour(span.to_us))


def test_every_schedule_tries_again_and_keeps_what_it_could_not_call() -> None:
    queues = properties("upkeep", "AWS::SQS::Queue")
    for name, schedule in schedules().items():
        target = schedule["Target"]
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert any(queue in target["DeadLetterConfig"]["Arn"] for queue in queues), name
        assert schedule["GroupName"]
    for invocation in properties("upkeep", "AWS::Lambda::EventInvokeConfig").values():
        assert invocation["DestinationConfig"]["OnFailure"]["Destination"]
        assert 2 == invocation["MaximumRetryAttempts"]


def test_concurrency_is_reserved_only_if_somebody_says_so() -> None:
    ordinary, alone = (
        properties("upkeep", "AWS::Lambda::Function", CompactReservedConcurrency=text)["Compact"] for text in "01"
    )
    assert "ReservedConcurrentExecutions" not in ordinary
    assert 1 == int(alone["ReservedConcurrentExecutions"])


def test_the_topic_takes_the_alarms_of_both_stacks() -> None:
    (policy,) = properties("pipeline", "AWS::SNS::TopicPolicy").values()
    pattern = policy["PolicyDocument"]["Statement"][0]["Condition"]["ArnLike"]["aws:SourceArn"]
    assert pattern.endswith(":alarm:local*")  # in these tests both are named local
    (split,) = re.findall(r"- Prefix: (.+)", text_of("pipeline"))
    assert "!Select [0, !Split [pipeline, !Ref AWS::StackName]]" == split
    before, _, _ = "ticklake-pipeline".partition("pipeline")
    assert "ticklake-upkeep-audit-slow".startswith(before)


@pytest.mark.parametrize(
    ("stack", "kind", "path"),
    [
        ("pipeline", "AWS::Budgets::Budget", ("Budget", "BudgetName")),  # AWS Budgets has one endpoint for all regions
        (
            "pipeline",
            "AWS::CloudWatch::Dashboard",
            ("DashboardName",),
        ),  # "All dashboards in your account are global" (PutDashboard)
        ("storage", "AWS::S3::Bucket", ("BucketName",)),
    ],
)
def test_names_that_an_account_has_once_differ_by_region(stack: str, kind: str, path: tuple[str, ...]) -> None:
    for found in properties(stack, kind).values():
        name: Any = found
        for step in path:
            name = name[step]
        assert "us-east-1" in name
        assert name.startswith("local")  # and by stack


# ---------------------------------------------------------------------- constants that stand in code and in templates


def container() -> dict[str, Any]:
    (task,) = properties("producer", "AWS::ECS::TaskDefinition").values()
    (only,) = task["ContainerDefinitions"]
    return dict(only)


def test_the_container_sets_only_what_the_producer_can_be_told() -> None:
    known = {environment_name(name) for name in Settings.__dataclass_fields__} | {
        "TICKLAKE_EMF",
        "TICKLAKE_HEALTH_PORT",
    }
    assert {each["Name"] for each in container()["Environment"]} <= known


def test_the_container_is_waited_for_longer_than_it_may_drain() -> None:
    rules = tree_of("producer")["Parameters"]["DrainSeconds"]
    assert int(rules["Default"]) <= int(rules["MaxValue"]) < container()["StopTimeout"] <= 120


def test_the_container_is_read_only_without_rights_and_watched() -> None:
    only = container()
    assert only["ReadonlyRootFilesystem"] is True
    assert {"Drop": ["ALL"]} == only["LinuxParameters"]["Capabilities"]
    port = next(each["Value"] for each in only["Environment"] if each["Name"] == "TICKLAKE_HEALTH_PORT")
    assert f"http://127.0.0.1:{port}/healthz" in only["HealthCheck"]["Command"][-1]


def test_nothing_gets_into_the_producer() -> None:
    group = properties("producer", "AWS::EC2::SecurityGroup")["SecurityGroup"]
    assert "SecurityGroupIngress" not in group
    targets = [each["GroupId"] for each in properties("producer", "AWS::EC2::SecurityGroupIngress").values()]
    assert not [target for target in targets if target.endswith("-SecurityGroup")]


def test_one_user_owns_the_journal_in_image_and_template() -> None:
    (point,) = properties("producer", "AWS::EFS::AccessPoint").values()
    user = point["PosixUser"]["Uid"]
    assert f"{user}:{user}" == container()["User"]
    dockerfile = HOUSE / "Dockerfile"
    if dockerfile.exists():
        assert f"USER {user}:{user}" in dockerfile.read_text()


def test_templates_hand_the_producer_products_that_it_takes() -> None:
    default = tree_of("producer")["Parameters"]["Products"]["Default"]
    assert default == ",".join(Settings().products)
    with pytest.raises(SettingsError):
        Settings(products=("nonsense",))


def test_a_log_that_cannot_be_written_does_not_hold_up_the_feed() -> None:
    assert "non-blocking" == container()["LogConfiguration"]["Options"]["mode"]


def dashboard_metrics() -> list[tuple[str, str]]:
    (dashboard,) = properties("pipeline", "AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    return [(each[0], each[1]) for widget in widgets for each in widget["properties"].get("metrics", [])]


def alarm_metrics() -> list[tuple[str, str]]:
    found = []
    alarms = [each for name in WATCHED for each in properties(name, "AWS::CloudWatch::Alarm").values()]
    for alarm in alarms:
        parts = [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each] or [alarm]
        found += [(part["Namespace"], part["MetricName"]) for part in parts]
    return found


@pytest.mark.parametrize(("namespace", "metric"), sorted({*dashboard_metrics(), *alarm_metrics()}))
def test_every_metric_that_is_watched_is_one_that_is_told(namespace: str, metric: str) -> None:
    filtered = {
        each["MetricName"]
        for filters in properties("pipeline", "AWS::Logs::MetricFilter").values()
        for each in filters["MetricTransformations"]
    }
    told = {
        "AWS/Firehose": set(UNITS),
        "AWS/Lambda": {"Duration", "Errors", "Throttles"},
        "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
        NAMESPACE: {each.name for each in (*METRICS, *AUDIT_METRICS, *COMPACT_METRICS)}
        | {"Rows", "RefusedLines", "SlowPath"}
        | filtered,
    }
    assert metric in told[namespace]


def test_the_dashboard_asks_the_three_questions() -> None:
    (dashboard,) = properties("pipeline", "AWS::CloudWatch::Dashboard").values()
    titles = " ".join(widget["properties"]["title"] for widget in json.loads(dashboard["DashboardBody"])["widgets"])
    for question in ("Is it whole?", "Is it fresh?", "What does it cost?"):
        assert question in titles
