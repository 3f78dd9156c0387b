"""A process that commits again and again beside others, and says how each attempt ended.

    python -m tests.durability.committer NAME ROUNDS FROZEN

In every round it adds a picture of its own and renames the one that all of them share. In the first FROZEN rounds it
stops itself, as SIGSTOP would, when its segment is ready and the store has not been asked yet: somebody wakes it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from typing import Any

from tests.durability.walk import colour
from tests.repository.adding import add_image


class Freezing:
    """A store before which this process stops, for the first attempt in each of so many rounds."""

    def __init__(self, store: Any) -> None:
        self._store, self.due = store, False

    def put_if_absent(self, key: str, *arguments: Any) -> bool:
        if self.due and key.startswith("journal/0"):
            self.due = False
            os.kill(os.getpid(), signal.SIGSTOP)
        return bool(self._store.put_if_absent(key, *arguments))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def commit(name: str, count: int, shared: str) -> dict[str, object]:
    """One round. A conflict over the shared picture's name is an answer, as is a commit."""
    from mezzotint.errors import Conflict
    from mezzotint.repository import queries, services
    from mezzotint.wiring import engine

    base = engine().bases.add([colour(ord(name), count, 0)])
    title = f"{name}-{count}"

    def work(session: Any) -> None:
        add_image(session, base, {"title": title}, {name: name})
        services.edit_image(session, shared, queries.image(shared).version, {"title": title})

    try:
        done = services.at_once(name, work)[1]
    except Conflict:
        return {"refused": base.ident}
    return {"seq": done.seq, "ident": base.ident, "title": title}


def _main(name: str, rounds: int, frozen: int, shared: str) -> None:
    from mezzotint import wiring
    from mezzotint.journal import Journal
    from mezzotint.site.prepare import prepare

    assert prepare().alarm is None
    engine = wiring.engine()
    store = Freezing(engine.store)
    wiring._engine = replace(engine, journal=Journal(store, engine.settings.data / "incoming"))
    sys.stdin.readline()
    for count in range(rounds):
        store.due = count < frozen
        sys.stdout.write(json.dumps(commit(name, count, shared)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
