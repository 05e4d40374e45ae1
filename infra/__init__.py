"""
What is deployed: CloudFormation templates and Athena SQL, as files; this module only says where they are.

Laws: the template is the truth (buffer sizes, prefixes, processors, schema stand nowhere else); one question per SQL file.
Refuses to know: how a template is resolved (local/firehose/template.py) or a query run (sql/, local/lake/).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent
PIPELINE_TEMPLATE: Final = ROOT / "pipeline.yaml"
QUERIES: Final = ROOT / "queries"
AUDIT_QUERIES: Final = QUERIES / "audit"
VIEWS: Final = ROOT / "views"
HISTORY: Final = ROOT / "history"
REPLAY: Final = ROOT / "replay"
PRICES: Final = ROOT / "prices.yaml"
