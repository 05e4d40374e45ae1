from __future__ import annotations

import pytest

from infra.errors import AwsRefused, DeployError, PackageFailed, ParameterMissing, ParameterRefused, StackFailed


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PackageFailed(problem="no index.", advice="Try again."), "was not built: no index. Try again."),
        (
            StackFailed(
                stack="s", status="ROLLBACK_COMPLETE", resource="LakeBucket", kind="AWS::S3::Bucket", reason="taken"
            ),
            "The stack s is ROLLBACK_COMPLETE. LakeBucket (AWS::S3::Bucket) failed: taken",
        ),
        (StackFailed(stack="s", status="FAILED", resource="", kind="", reason=""), "CloudFormation names no resource."),
        (ParameterMissing(stack="s", names=("VpcId", "X")), "--set VpcId=… --set X=…"),
        (ParameterRefused(problem="Too low.", advice="Raise it."), "Too low. Raise it."),
        (AwsRefused(doing="asking", message="no"), "While asking, AWS said: no"),
    ],
)
def test_an_error_says_what_happened_and_what_to_do(error: DeployError, says: str) -> None:
    assert says in str(error)
