"""
The transform's log, kept as CloudWatch Logs would keep it, and the sums of the metrics embedded in it.

Laws: every line goes to the file as the handler wrote it; a line that is an embedded metric is also added up, by name and dimensions.
Refuses to know: which metrics there are. Attach it to the handler's logger: logging.getLogger("transform_lambda").
Source: Amazon CloudWatch, "Specification: Embedded metric format".
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

MetricName = tuple[str, tuple[tuple[str, str], ...]]


class LambdaLog(logging.Handler):
    """A logging handler with a file and running sums. Use as a context manager, or attach and detach by hand."""

    def __init__(self, path: Path | None, *, logger: str = "transform_lambda") -> None:
        super().__init__(level=logging.NOTSET)
        self._logger = logging.getLogger(logger)
        self._sums: dict[MetricName, float] = defaultdict(float)
        self._sums_lock = threading.Lock()
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        self.setFormatter(logging.Formatter("%(message)s"))

    def attach(self) -> None:
        """Listen to the logger from INFO up, and keep its lines off the terminal."""
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False

    def detach(self) -> None:
        """Stop listening and close the file."""
        self._logger.removeHandler(self)
        self._logger.propagate = True
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; add it up if it is a metric."""
        line = self.format(record)
        if self._file is not None:
            self._file.write(line + "\n")
            self._file.flush()
        for name, amount in embedded_metrics(line):
            with self._sums_lock:
                self._sums[name] += amount

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()

    def sums(self) -> Mapping[MetricName, float]:
        """The sums so far, by metric name and dimensions."""
        with self._sums_lock:
            return dict(self._sums)

    def __enter__(self) -> Self:
        self.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()


def embedded_metrics(line: str) -> Iterator[tuple[MetricName, float]]:
    """The metrics of one line, each with each of its dimension sets; none if the line is no embedded metric."""
    if '"_aws"' not in line:
        return
    try:
        tree: Any = orjson.loads(line)
        directives = tree["_aws"]["CloudWatchMetrics"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return
    for directive in directives:
        for dimensions in directive.get("Dimensions") or [[]]:
            named = tuple((name, str(tree.get(name))) for name in dimensions)
            for metric in directive.get("Metrics") or []:
                found = tree.get(metric["Name"])
                amounts = found if isinstance(found, list) else [found]
                yield (
                    (metric["Name"], named),
                    float(sum(amount for amount in amounts if isinstance(amount, int | float))),
                )
