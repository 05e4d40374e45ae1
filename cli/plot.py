"""
Bars of price and volume as a picture, PNG or SVG.

Laws: only here do exact decimals become floats, for a picture has no more digits; text of a lake is drawn as it is, never as mathematics.
Refuses to know: where the bars come from.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import click
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from sql.engine import Answer


COLUMNS: Final = ("product_id", "interval_start", "open", "high", "low", "close", "volume")
# More than these are too small to read on one page.
MAX_PRODUCTS: Final = 8
_UP, _DOWN = "#2a7f62", "#b23a48"
_WIDTH_INCHES, _HEIGHT_INCHES = 11.0, 4.5
# How much of an interval a bar fills.
_FILL: Final = 0.8

Bar = dict[str, Any]


def plot_bars(answer: Answer, output: Path) -> None:
    """
    Draw each product's price (high to low, open to close) and volume, one above the other.

    Raises: click.ClickException if the answer has no bars, or too many products; OSError.
    """
    if missing := [name for name in COLUMNS if name not in answer.columns]:
        raise click.ClickException(
            f"--plot draws bars, such as those of ohlcv; this answer has no {', '.join(missing)}."
        )
    bars = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    products = sorted({bar["product_id"] for bar in bars})
    if not products:
        raise click.ClickException("The answer has no rows, so there is nothing to draw.")
    if len(products) > MAX_PRODUCTS:
        raise click.ClickException(
            f"The answer has {len(products)} products, and a picture {MAX_PRODUCTS} at most: name one with --product."
        )
    figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES * len(products)), layout="constrained")
    axes = figure.subplots(2 * len(products), 1, height_ratios=[3, 1] * len(products), squeeze=False)
    for at, product in enumerate(products):
        price, volume = axes[2 * at][0], axes[2 * at + 1][0]
        volume.sharex(price)
        _draw(price, volume, product, [bar for bar in bars if bar["product_id"] == product])
    # Without a date in it, the same answer is the same file.
    figure.savefig(output, metadata={"Date": None} if output.suffix == ".svg" else {"Software": None})


def _draw(price: Axes, volume: Axes, product: str, bars: Sequence[Bar]) -> None:
    at = [float(date2num(bar["interval_start"])) for bar in bars]  # type: ignore[no-untyped-call]  # matplotlib's dates have no types
    width = _FILL * min((later - one for one, later in pairwise(at)), default=1 / 1440)
    middle = [start + width / _FILL / 2 for start in at]
    values = {name: [float(bar[name]) for bar in bars] for name in COLUMNS[2:]}
    colours = [_UP if close >= open_ else _DOWN for open_, close in zip(values["open"], values["close"], strict=True)]
    price.vlines(middle, values["low"], values["high"], colors=colours, linewidth=1)
    bodies = [close - open_ for open_, close in zip(values["open"], values["close"], strict=True)]
    price.bar(middle, bodies, width, bottom=values["open"], color=colours, edgecolor=colours, linewidth=1)
    volume.bar(middle, values["volume"], width, color=colours)
    price.set_title(product, parse_math=False)
    price.set_ylabel("price")
    volume.set_ylabel("volume")
    price.tick_params(labelbottom=False)
    for axis in (price, volume):
        axis.grid(alpha=0.3)
        axis.ticklabel_format(axis="y", useOffset=False, style="plain")
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]  # the same
    volume.xaxis.set_major_locator(locator)
    volume.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]  # the same
