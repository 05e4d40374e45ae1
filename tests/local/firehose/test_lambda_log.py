"""The transform's log and the metrics in it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from local.firehose.lambda_log import LambdaLog, embedded_metrics

if TYPE_CHECKING:
    from pathlib import Path


def _metric(**values: float) -> str:
    metrics = [{"Name": name} for name in values]
    directive = {"Namespace": "n", "Dimensions": [["Stream"]], "Metrics": metrics}
    return json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, "Stream": "s", **values})


def test_lines_go_to_the_file_as_they_are_and_metrics_are_added_up(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "transform.log"
    logger = logging.getLogger("test_lambda_log")
    with LambdaLog(path, logger="test_lambda_log") as log:
        logger.warning("%s", '{"event":"refused"}')
        logger.info(_metric(Rows=2, **{"Refused.line_invalid": 1}))
        logger.info(_metric(Rows=3))
    logger.info("after the end")
    stream = (("Stream", "s"),)
    assert {("Rows", stream): 5.0, ("Refused.line_invalid", stream): 1.0} == log.sums()
    assert 3 == len(path.read_text().splitlines())


def test_without_a_file_only_the_sums_are_kept() -> None:
    with LambdaLog(None, logger="test_lambda_log") as log:
        logging.getLogger("test_lambda_log").info(_metric(Rows=1))
    assert [1.0] == list(log.sums().values())


def test_a_line_that_only_looks_like_a_metric_counts_nothing() -> None:
    for line in ("", "text", '{"_aws":1}', '{"_aws":', '{"_aws":{"CloudWatchMetrics":[{"Metrics":[]}]}}'):
        assert [] == list(embedded_metrics(line))


def test_an_array_of_values_is_its_sum() -> None:
    line = '{"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"x"}]}]},"x":[1,2.5]}'
    assert [(("x", ()), 3.5)] == list(embedded_metrics(line))
