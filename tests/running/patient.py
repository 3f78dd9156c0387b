"""`mezzotint` for `make coverage`: its workers are not killed as they write down which lines they have run."""

from __future__ import annotations

from functools import partial

import granian

from mezzotint.cli import main

granian.Granian = partial(  # type: ignore[assignment]
    lambda ours, *given, **options: ours(*given, **options | {"workers_kill_timeout": 15}), granian.Granian
)
main()
