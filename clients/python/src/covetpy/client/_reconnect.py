"""When to come back, and whether."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Optional

# 4500 and above are final: the same connection would be refused again.
FINAL_CLOSE_CODE = 4500
MAX_DELAY_SECONDS = 30.0

_WAIT = re.compile(r"(?:reconnect_after_ms|retry_after_ms)=(\d+)")


@dataclass(frozen=True)
class Reconnect:
    """`delay` (seconds) doubles with each attempt, up to 30 s; the wait is a random part of it (full jitter)."""

    enabled: bool = True
    max_attempts: int = 10
    delay: float = 1.0

    def wait(self, attempt: int, close_reason: str = "") -> float:
        """Seconds before attempt 1, 2, …; a server that says how long is believed."""
        told = _WAIT.search(close_reason) if attempt == 1 else None
        if told:
            return int(told.group(1)) / 1000
        return random.uniform(0, min(MAX_DELAY_SECONDS, self.delay * 2.0 ** (attempt - 1)))

    def allows(self, attempt: int, close_code: Optional[int]) -> bool:
        """Whether attempt 1, 2, … may be made after a connection that ended so."""
        final = close_code is not None and FINAL_CLOSE_CODE <= close_code < 5000
        return self.enabled and not final and attempt <= self.max_attempts
