"""
Where reports are kept in S3: one object each for programs and for people, and the newest of a kind a second time.

Laws: a report is written before it is named the newest, and the newest never becomes an older one; a key is its span, so that writing twice
is writing once. No call names an encryption: the bucket's own, its KMS key, is the only one that its policy takes.
Refuses to know: what is in a report, who is told of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from audit_lambda.report import decode_report, encode_report
from audit_lambda.spans import latest_folder, report_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit_lambda.report import Report
    from audit_lambda.spans import Kind, Span

JSON_NAME: Final = "report.json"
PAGE_NAME: Final = "report.html"
_JSON: Final = "application/json"
_PAGE: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Shelf:
    """One lake's reports, through a boto3 client of the service `s3`. `complain` is told of a report that cannot be read."""

    s3: Any
    bucket: str
    complain: Callable[[str], None]

    def place(self, span: Span, name: str = PAGE_NAME) -> str:
        """Where a span's report is, for people."""
        return f"s3://{self.bucket}/{report_folder(span)}{name}"

    def read_latest(self, kind: Kind) -> Report | None:
        """
        The newest report of a kind, or None: there is none yet, or it is none that this version reads, which `complain` is told.

        Raises: botocore's ClientError for every other refusal.
        """
        key = latest_folder(kind) + JSON_NAME
        try:
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return None
        try:
            return decode_report(json.loads(body))
        except (KeyError, TypeError, ValueError) as error:
            self.complain(f"s3://{self.bucket}/{key} is no report that can be compared with: {error!r}")
            return None

    def put_report(self, span: Span, report: Report, page: str) -> None:
        """Write a span's report, for programs and for people."""
        self._put(report_folder(span), report, page)

    def put_latest(self, span: Span, report: Report, page: str, *, before: Report | None) -> None:
        """Name it the newest, unless it is somebody's own question or a later one (`before`) is there."""
        if span.kind != "asked" and (before is None or before.to_us <= span.to_us):
            self._put(latest_folder(span.kind), report, page)

    def _put(self, folder: str, report: Report, page: str) -> None:
        # The page first: what reads the JSON may then rely on the page.
        self._object(folder + PAGE_NAME, page.encode(), _PAGE)
        self._object(folder + JSON_NAME, json.dumps(encode_report(report), ensure_ascii=False).encode(), _JSON)

    def _object(self, key: str, body: bytes, content_type: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
