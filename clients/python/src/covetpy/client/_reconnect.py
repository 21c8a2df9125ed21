"""When to come back, and whether."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Optional

# 4500 and above are final: the same connection would be refused again.
FINAL_CLOSE_CODE = 4500
# What we sent broke the connection: it would break the next one too.
OUR_FAULT = frozenset({1002, 1007, 1008, 1009})
MAX_DELAY_SECONDS = 30.0
# Restart, try again later: their registry wants clients to stay away for 5 to 30 s.
LATER = frozenset({1012, 1013})
LATER_SECONDS = 5.0

_WAIT = re.compile(r"reconnect_after_ms=(\d+)")


@dataclass(frozen=True)
class Reconnect:
    """When to come back, and whether."""

    enabled: bool = True
    """Whether to come back at all."""
    max_attempts: int = 10
    """Attempts in a row that lead nowhere before the client ends."""
    delay: float = 1.0
    """Seconds; doubled with each attempt, up to 30 s. The wait is a random part of it (full jitter)."""

    def wait(self, attempt: int, close_code: Optional[int] = None) -> float:
        """Seconds before attempt 1, 2, … in a row, after a connection that ended so."""
        if close_code in LATER:
            return random.uniform(LATER_SECONDS, MAX_DELAY_SECONDS)
        return random.uniform(0, min(MAX_DELAY_SECONDS, self.delay * 2.0 ** min(attempt - 1, 60)))

    def allows(self, attempt: int, close_code: int) -> bool:
        """Whether attempt 1, 2, … in a row may be made after a connection that ended so."""
        return self.enabled and not FINAL_CLOSE_CODE <= close_code < 5000 and attempt <= self.max_attempts


def told_to_wait(close_reason: str) -> Optional[float]:
    """Seconds that a server which closes asks its clients to stay away."""
    told = _WAIT.search(close_reason)
    return int(told.group(1)) / 1000 if told else None
