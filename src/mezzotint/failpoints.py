"""Places where a test has the process die, as kill -9 would have it.

`MEZZOTINT_FAILPOINT=name` kills the process where it passes `failpoint("name")`,
`name:3` where it passes there for the third time. Nothing else changes.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_name, _, _time = os.environ.get("MEZZOTINT_FAILPOINT", "").partition(":")
_passed: Counter[str] = Counter()


def failpoint(name: str) -> None:
    """The process may end here."""
    if name == _name:
        _passed[name] += 1
        if _passed[name] == int(_time or 1):
            os.kill(os.getpid(), signal.SIGKILL)
