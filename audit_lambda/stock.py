"""
The integrity checks over a bucket: the last inventory read, objects looked at while there is time, the new inventory kept.

Laws: an inventory is written only after the checks that it comes from; one that cannot be read stops the audit, for it says what may have
changed since. What S3's own lifecycle removes is expected to go, as the bucket says it.
Refuses to know: reports, verdicts, what a check finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from audit_lambda.bucket import BucketStore
from audit_lambda.objects import INVENTORY_KEY, Leave, check_objects, decode_inventory, encode_inventory

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit_lambda.objects import Inventory
    from audit_lambda.report import CheckResult
    from audit_lambda.spans import Span


def take_stock(
    s3: Any, bucket: str, span: Span, *, now_us: int, may_go_on: Callable[[], bool]
) -> tuple[list[CheckResult], Inventory]:
    """
    The group `integrity` for a span, and the inventory for `keep_stock`.

    Raises: InventoryDamaged; botocore's ClientError where S3 does not list.
    """
    return check_objects(
        BucketStore(s3, bucket=bucket),
        before=read_stock(s3, bucket),
        from_us=span.from_us,
        to_us=span.to_us,
        now_us=now_us,
        leave=Leave(expiry_days=read_expiry_days(s3, bucket)),
        may_go_on=may_go_on,
        on_progress=lambda _read, _of: None,
    )


def read_stock(s3: Any, bucket: str) -> Inventory | None:
    """
    The inventory that the last audit left, or None.

    Raises: InventoryDamaged, ClientError.
    """
    try:
        return decode_inventory(s3.get_object(Bucket=bucket, Key=INVENTORY_KEY)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None


def keep_stock(s3: Any, bucket: str, inventory: Inventory) -> None:
    """Keep an inventory for the next audit; the bucket is versioned, so the one before can be brought back."""
    s3.put_object(Bucket=bucket, Key=INVENTORY_KEY, Body=encode_inventory(inventory))


def read_expiry_days(s3: Any, bucket: str) -> dict[str, int]:
    """After how many days the bucket's own rules remove objects, by the first folder of their keys."""
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as refused:
        if refused.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
            return {}
        raise
    return {
        prefix.split("/")[0]: rule["Expiration"]["Days"]
        for rule in rules
        if rule["Status"] == "Enabled" and "Days" in rule.get("Expiration", {}) and (prefix := _prefix_of(rule))
    }


def _prefix_of(rule: dict[str, Any]) -> str:
    """S3 answers a rule's prefix where it was given: at the rule (as before 2016, and from CloudFormation), or in its filter."""
    return str(rule.get("Prefix") or rule.get("Filter", {}).get("Prefix", ""))
