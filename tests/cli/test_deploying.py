"""Deploying as a whole, on CloudFormation in memory and a bucket that is a dictionary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from cli.deploying import Deployment, connect
from infra import ROOT
from infra.cloudformation import CloudFormation
from infra.errors import AwsRefused, PackageFailed, ParameterMissing, ParameterRefused, StackFailed
from infra.package import Package
from tests.infra.fake_cloudformation import FakeCloudFormation
from tests.infra.templates import STANDINS

if TYPE_CHECKING:
    from pathlib import Path

    from infra.stacks import StackState

IMAGE = {name: STANDINS[name] for name in ("ImageUri", "VpcId", "FirstSubnetId", "SecondSubnetId")}


class FakeBuckets:
    """An S3 client whose buckets are one dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = 0

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, int]:  # noqa: N803
        return {"KeyCount": sum(key.startswith(f"{Bucket}/{Prefix}") for key in self.objects)}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        self.puts += 1
        self.objects[f"{Bucket}/{Key}"] = Body


class Account:
    """An account to deploy into."""

    def __init__(self) -> None:
        self.cloudformation = FakeCloudFormation()
        self.s3 = FakeBuckets()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.code = b"code"
        self._runs = 0
        stacks = CloudFormation(
            self.cloudformation, pause=lambda: None, tell=lambda event: self.said.append(str(event))
        )
        self.deployment = Deployment(
            prefix="t", templates=ROOT, cloudformation=stacks, s3=self.s3, say=self.said.append, build=self._build
        )

    def _build(self, name: str, runtime: str, architecture: str) -> Package:
        assert ("python3.13", "arm64") == (runtime, architecture)
        code = self.code if name == "transform" else name.encode()
        return Package(name=name, content=code, sha256=code.hex() * 20, unzipped_bytes=4, libraries=("orjson==1",))

    def deploy(self, *, plan: bool = False, answer: bool = True, **given: str) -> dict[str, StackState]:
        self._runs += 1
        self.said.clear()
        self.cloudformation.calls.clear()

        def agree(question: str) -> bool:
            self.asked.append(question)
            return answer

        return self.deployment.deploy(given=given, plan=plan, agree=agree, change_set=f"c{self._runs}")

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def account() -> Account:
    return Account()


def test_a_plan_on_an_empty_account_changes_nothing_and_says_what_would_be(account: Account) -> None:
    account.deploy(plan=True)
    assert ({}, [], {}) == (account.cloudformation.stacks, account.cloudformation.calls, account.s3.objects)
    assert "t-storage would be created" in account.text
    assert "+ LakeBucket (AWS::S3::Bucket)" in account.text
    assert "t-pipeline would be created" in account.text
    assert "t-upkeep would be created" in account.text
    assert "+ AuditHourly (AWS::Scheduler::Schedule)" in account.text
    assert "t-producer" not in account.text
    assert ["transform", "audit", "compact"] == re.findall(r"^package (\w+): ", account.text, flags=re.MULTILINE)


def test_storage_comes_first_its_outputs_flow_on_and_the_package_is_there_before_the_function(account: Account) -> None:
    states = account.deploy()
    created = ["t-storage", "t-pipeline", "t-upkeep"]
    assert [("CREATE", name) for name in created] == account.cloudformation.calls
    pipeline, storage = states["pipeline"], states["storage"]
    assert storage.outputs["LakeBucketName"] == pipeline.parameters["LakeBucketName"]
    work = storage.outputs["WorkBucketName"]
    upkeep = states["upkeep"].parameters
    keys = [pipeline.parameters["TransformCodeKey"], upkeep["AuditCodeKey"], upkeep["CompactCodeKey"]]
    assert [f"{work}/{key}" for key in keys] == list(account.s3.objects)
    for name in ("DatabaseName", "WorkgroupName", "TopicArn"):
        assert pipeline.outputs[name] == upkeep[name]
    assert [f"Change {name}?" for name in created] == account.asked
    assert {"t-storage"} == account.cloudformation.kept
    assert "t-storage" in account.cloudformation.policies


def test_the_same_again_changes_nothing(account: Account) -> None:
    account.deploy(NotifyEmail="a@b.c")
    account.deploy()
    assert ([], 3) == (account.cloudformation.calls, account.s3.puts)
    assert "t-storage: nothing to change." in account.text
    assert "t-pipeline: nothing to change." in account.text
    assert "t-upkeep: nothing to change." in account.text
    assert "a@b.c" == account.cloudformation.stacks["t-pipeline"].parameters["NotifyEmail"]
    assert {} == account.cloudformation.change_sets


def test_new_code_is_a_new_key_and_changes_the_function_alone(account: Account) -> None:
    account.deploy()
    account.code = b"new code"
    account.deploy()
    assert [("UPDATE", "t-pipeline")] == account.cloudformation.calls
    assert [line for line in account.said if line.startswith("  ~")] == ["  ~ Transform (AWS::Lambda::Function)"]
    assert 4 == len(account.s3.objects)


def test_a_plan_of_a_change_shows_it_and_leaves_no_proposal(account: Account) -> None:
    account.deploy()
    account.deploy(plan=True, LakeBufferSeconds="60")
    assert "~ Stream (AWS::KinesisFirehose::DeliveryStream)" in account.text
    assert ([], {}) == (account.cloudformation.calls, account.cloudformation.change_sets)
    assert {"t-storage", "t-pipeline", "t-upkeep"} == set(account.cloudformation.stacks)


def test_a_no_ends_it_without_a_trace(account: Account) -> None:
    assert {} == account.deploy(answer=False)
    assert ({}, ["Change t-storage?"]) == (account.cloudformation.stacks, account.asked)


def test_an_image_brings_the_producer_and_it_stays_in_later_deployments(account: Account) -> None:
    account.deploy(plan=False, answer=True, **IMAGE)
    assert ("CREATE", "t-producer") == account.cloudformation.calls[-1]
    assert "t-producer" not in account.cloudformation.kept
    account.deploy()
    assert "t-producer: nothing to change." in account.text


def test_what_only_a_person_knows_is_asked_for(account: Account) -> None:
    with pytest.raises(ParameterMissing, match="--set VpcId=… --set FirstSubnetId=… --set SecondSubnetId=…"):
        account.deploy(ImageUri=IMAGE["ImageUri"])


def test_wrong_values_are_refused_before_anything_is_built_or_changed(account: Account) -> None:
    with pytest.raises(ParameterRefused, match="No stack has a parameter Email"):
        account.deploy(Email="x")
    assert {} == account.cloudformation.stacks


def test_an_alarm_that_would_always_be_up_is_refused(account: Account) -> None:
    with pytest.raises(ParameterRefused, match="FreshnessAlarmSeconds is 900"):
        account.deploy(LakeBufferSeconds="900")
    assert {"t-storage"} == set(account.cloudformation.stacks)


def test_a_failure_names_the_resource_and_the_next_run_starts_over(account: Account) -> None:
    account.cloudformation.failing["Stream"] = "The bucket does not exist"
    with pytest.raises(
        StackFailed, match=r"Stream .AWS::KinesisFirehose::DeliveryStream. failed: The bucket does not exist"
    ):
        account.deploy()
    account.cloudformation.failing.clear()
    states = account.deploy()
    assert "an earlier creation failed and left it empty" in account.text
    assert "CREATE_COMPLETE" == states["pipeline"].status


def test_destroying_waits_for_the_stream_and_keeps_what_holds_data(account: Account) -> None:
    account.deploy(plan=False, answer=True, **IMAGE)
    account.cloudformation.calls.clear()
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        assert not {"t-producer", "t-upkeep"} & account.cloudformation.stacks.keys()
        assert "t-pipeline" in account.cloudformation.stacks

    left = account.deployment.destroy(wait=wait)
    assert [630] == waits
    assert [("DELETE", name) for name in ("t-producer", "t-upkeep", "t-pipeline")] == account.cloudformation.calls
    assert ["storage"] == list(left)
    account.deploy()
    assert [("CREATE", "t-pipeline"), ("CREATE", "t-upkeep")] == account.cloudformation.calls


def test_destroying_now_waits_for_nothing_and_twice_is_nothing(account: Account) -> None:
    account.deploy()
    account.deployment.destroy(wait=None)
    account.cloudformation.calls.clear()
    account.deployment.destroy(wait=None)
    assert [] == account.cloudformation.calls


def test_without_a_region_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(AwsRefused, match="no region is set"):
        connect(None)
    assert "eu-west-1" == connect("eu-west-1").region_name


def test_a_package_that_cannot_be_built_stops_before_anything_is_changed() -> None:
    account = Account()

    def fail(_name: str, _runtime: str, _architecture: str) -> Package:
        raise PackageFailed(problem="no index.", advice="")

    deployment = Deployment(
        prefix="t",
        templates=ROOT,
        cloudformation=account.deployment.cloudformation,
        s3=account.s3,
        say=print,
        build=fail,
    )
    with pytest.raises(PackageFailed):
        deployment.deploy(given={}, plan=False, agree=lambda _: True, change_set="c")
    assert {} == account.cloudformation.stacks


def test_a_stack_that_was_made_by_other_means_is_protected_too(account: Account) -> None:
    account.deploy()
    account.cloudformation.kept.clear()
    account.cloudformation.policies.clear()
    account.deploy(plan=True)
    assert set() == account.cloudformation.kept
    account.deploy()
    assert ({"t-storage"}, {"t-storage"}) == (account.cloudformation.kept, set(account.cloudformation.policies))


def test_an_account_that_was_deployed_before_there_was_upkeep_gets_it(account: Account) -> None:
    account.deploy()
    account.deployment.cloudformation.remove("t-upkeep")
    account.deploy()
    assert [("CREATE", "t-upkeep")] == account.cloudformation.calls


def test_new_code_of_one_function_changes_that_one_alone(account: Account) -> None:
    account.deploy()
    stack = account.cloudformation.stacks["t-upkeep"]
    stack.parameters["AuditCodeKey"] = "code/audit-of-yesterday.zip"
    account.deploy()
    assert [line for line in account.said if line.startswith("  ~")] == ["  ~ Audit (AWS::Lambda::Function)"]
