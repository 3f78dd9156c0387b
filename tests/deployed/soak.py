"""The whole set-up of compose.yaml under way while its parts are stopped, killed and started one after the other:
`make soak SETUP=full MINUTES=10`, or `python -m tests.deployed.soak --minutes 10 --seed 7`.

nginx, two apps, two workers, a cleaner, PostgreSQL, Redis, Swift; visitors at every door. In the end all is asked for
once more, read and hashed. Status 1 where a byte was wrong, something acknowledged is lost, or an answer was of a kind
that the docs do not name; and where nothing befell.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.archive import Archive
from tests.backends.swift import SwiftCluster
from tests.deployed.running import Deployment, Part, client
from tests.deployed.visitors import Visitor, World
from tests.origin import Origin
from tests.servers import run
from tests.waiting import until

_VISITORS = 10


class Soak:
    def __init__(self, deployment: Deployment, swift: SwiftCluster, seed: int) -> None:
        self._up, self._swift, self._random = deployment, swift, random.Random(seed)
        self.befallen: Counter[str] = Counter()
        self._mishaps: list[tuple[str, Callable[[], None]]] = []
        for name in ("app", "worker", "cleaner", "nginx"):
            for part in deployment.parts[name]:
                self._mishaps += [
                    (f"{name} killed", lambda part=part: self._killed(part)),  # type: ignore[misc]
                    (f"{name} stopped", lambda part=part: self._stopped(part)),  # type: ignore[misc]
                ]
        assert deployment.redis and deployment.postgresql
        self._mishaps += [
            ("redis killed, and empty afterwards", deployment.redis.restart),
            ("postgresql stopped", deployment.postgresql.restart),
            ("postgresql killed", lambda: deployment.postgresql.restart(immediate=True)),  # type: ignore[union-attr]
            ("swift's proxy killed", self._swift_killed),
            ("swift's proxy hung", self._swift_hung),
        ]

    def go_on(self, seconds: float) -> None:
        """One mishap after the other, each of them first once, then at random."""
        ends, first = time.monotonic() + seconds, list(self._mishaps)
        self._random.shuffle(first)
        while time.monotonic() < ends:
            name, befall = first.pop() if first else self._random.choice(self._mishaps)
            befall()
            self.befallen[name] += 1
            print(f"    {name}", flush=True)
            time.sleep(self._random.uniform(0.5, 4))

    def _killed(self, part: Part) -> None:
        part.kill()
        time.sleep(self._random.uniform(0, 2))
        self._started(part)

    def _stopped(self, part: Part) -> None:
        status = part.stop()
        if status not in {0, -15}:  # by the signal itself, where it has hardly begun
            raise AssertionError(f"{part.name} ended with {status}:\n{part.log.read_text()[-3000:]}")
        self._started(part)

    def _started(self, part: Part) -> None:
        part.start()
        if part.name.startswith("app"):
            until(part.is_healthy, 0.2)

    def _swift_killed(self) -> None:
        self._swift.kill()
        time.sleep(self._random.uniform(0, 3))
        self._swift.restart()

    def _swift_hung(self) -> None:
        self._swift.pause()
        time.sleep(self._random.uniform(0.5, 5))
        self._swift.resume()


def asked_once_more(world: World, web: httpx.Client) -> None:
    """Everything that was acknowledged."""
    until(lambda: web.get("/ready").status_code == 200, 0.5)
    for ident, data in world.bases.items():
        if web.get(f"/images/{ident}").content != data:
            world.break_promise(f"the base of {ident} is not what was acknowledged")
    for ident, title in world.titles.items():
        answer = web.get(f"/api/images/{ident}/")
        if answer.status_code != 200 or answer.json()["title"] != title:
            world.break_promise(f"{ident} was called {title!r}: {answer.status_code} {answer.text[:200]}")
    until(lambda: web.get("/api/status/").json()["waiting"] == 0, 0.5)
    for path in world.documents:
        until(lambda path=path: web.get(path).json()["status"] in {"COMPLETED", "ERROR"}, 0.5)  # type: ignore[misc]


def verified(deployment: Deployment, world: World) -> None:
    """By the program's own commands, in the place of one of the apps."""
    [app, *_] = deployment.parts["app"]
    variables = {name: value for name, value in app.environment.items() if name not in {"MEZZOTINT_DATA", "PATH"}}
    data = Path(app.environment["MEZZOTINT_DATA"])
    for command in (("verify",), ("reconcile", "--json")):
        done = run(data, *command, **variables)
        said = done.stdout.strip() or done.stderr.strip()
        print(f"  {command[0]}: {said.splitlines()[-1]}")
        if done.returncode != 0 or ("--json" in command and json.loads(done.stdout)["missing"]["count"]):
            world.break_promise(f"{command[0]}: {said}")


def report(world: World, soak: Soak) -> None:
    print(f"  {sum(soak.befallen.values())} mishaps: {dict(soak.befallen)}")
    print(f"  {len(world.bases)} pictures, {len(world.documents)} documents acknowledged")
    for kind, taken in sorted(world.took.items()):
        taken.sort()
        p50, p99 = (taken[int(len(taken) * share)] * 1000 for share in (0.5, 0.99))
        errors = {name.split()[1]: count for name, count in world.errors.items() if name.split()[0] == kind}
        print(f"  {kind:10} {len(taken):7,} asked   p50 {p50:6.0f} ms   p99 {p99:7.0f} ms   errors {errors or 'none'}")
    unanswered = {name: n for name, n in world.errors.items() if name.split()[0] not in world.took}
    print(f"  broken off, by what was done: {unanswered or 'none'}")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int, default=random.randrange(10_000))
    chosen = arguments.parse_args()
    print(f"soak of the whole set-up, seed {chosen.seed}")
    with tempfile.TemporaryDirectory(prefix="soak-") as directory, Origin() as origin, Archive() as archive:
        place = Path(directory)
        swift = SwiftCluster.start(place / "swift")
        deployment = Deployment(place / "up", scale={"worker": 2})
        try:
            deployment.start("full", _variables(swift, archive))
            [nginx] = deployment.parts["nginx"]
            world = World(nginx.url, deployment.token("app"), origin, archive)
            soak = Soak(deployment, swift, chosen.seed)
            visitors = [Visitor(world, number, chosen.seed) for number in range(_VISITORS)]
            for visitor in visitors:
                visitor.start()
            soak.go_on(60 * chosen.minutes)
            for visitor in visitors:
                visitor.stopped.set()
            for visitor in visitors:
                visitor.join()
            with client(nginx, world.token) as web:
                asked_once_more(world, web)
            verified(deployment, world)
            report(world, soak)
        finally:
            deployment.close()
            swift.stop()
    for what in world.broken[:20]:
        print(f"BROKEN  {what}", file=sys.stderr)
    print("every promise kept" if not world.broken else f"{len(world.broken)} promises broken")
    return 1 if world.broken or not soak.befallen else 0


def _variables(swift: SwiftCluster, archive: Archive) -> dict[str, str]:
    return swift.environment() | {
        "MEZZOTINT_STORE": f"swift://{swift.new_container()}/main",
        "MEZZOTINT_SECRET_KEY": "soak" * 12,
        "MEZZOTINT_STORE_TIMEOUT": "5",
        "MEZZOTINT_WORKERS": "2",
        "MEZZOTINT_FETCH_ALLOW": "127.0.0.0/8",
        "MEZZOTINT_FETCH_PORTS": "*",
        "MEZZOTINT_COVER_ART_UPSTREAM": archive.url,
        "MEZZOTINT_CACHE_MAX_SIZE": "20M",
        "COVER_ART_CACHE_CLEANUP_INTERVAL": "2",
        "PDF_RASTERIZER_DPI": "36",
        "ENGINE_WORKER_RETRY": "10",
    }


if __name__ == "__main__":
    sys.exit(main())
