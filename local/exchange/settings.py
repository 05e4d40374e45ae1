"""
How an exchange behaves, in one record.

Laws: constants in; what cannot be obeyed is refused when it is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.exchange.errors import ExchangeSettingsWrong
from local.exchange.history import REMEMBERED_COUNT, HoleTrades

if TYPE_CHECKING:
    from local.exchange.faults import Fault
    from local.exchange.keys import KnownKey


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How an exchange behaves.

    Units: `speed` multiplies a recording's own pace, None means as fast as it is taken (a generated market keeps real
    time; make it busier instead). Shapes: a replay waits until each product of `start_after` is subscribed to.
    `hole_trades` says which trades of a recording's holes REST holds: none, all, or a share. `limits` keeps Coinbase's
    own limits; `oddities` sends a malformed frame now and then; `known_key` is the API key that signed messages are held against (None: none
    is judged).
    Raises: ExchangeSettingsWrong.
    """

    seed: int = 0
    speed: float | None = 1.0
    start_after: frozenset[str] = frozenset()
    hole_trades: HoleTrades = "none"
    oddities: bool = False
    limits: bool = True
    faults: tuple[Fault, ...] = ()
    remembered_count: int = REMEMBERED_COUNT
    known_key: KnownKey | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and not self.speed > 0:
            raise ExchangeSettingsWrong(f"speed {self.speed} is not above zero", "1 is real time, 10 ten times as fast")
        if not isinstance(self.hole_trades, str) and not 0 <= self.hole_trades <= 1:
            raise ExchangeSettingsWrong(f"hole_trades {self.hole_trades} is no share", "give none, all, or 0 to 1")
