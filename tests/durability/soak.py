"""A long randomised run against real servers: `make soak MINUTES=5`, or
`python -m tests.durability.soak --minutes 5 --seed 7 --store swift`.

A writer with two workers and a read node serve; clients change what is theirs and look at it; meanwhile servers and
workers are killed, databases deleted, checkpoints made, and the store is reconciled and verified. In the end the
oracle is asked. Status 1 where any promise was broken, and where nothing was killed. With `--weather` a bad network is
before the store: it delays, drops, resets, cuts off and answers 500 and 503, and goes black now and then.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mezzotint import tokens
from tests.backends import missing_swift
from tests.backends.relay import Relay, Weather
from tests.backends.swift import SwiftCluster
from tests.durability.clients import Client, Known, Violation, World
from tests.durability.directories import lose_database
from tests.servers import PROGRAM, Server, environment, start_server

GRACE = "3s"
_CLIENTS = 4
_STORE_TIMEOUT = 4
BAD = Weather(delay=0.05, reset=0.01, truncate=0.005, drop=0.001, fail=0.01)
_WEATHER = re.compile("does not answer|did not answer|could not be reached|broke off|is busy|are busy")


class Soak:
    def __init__(self, place: Path, seed: int, variables: dict[str, str], relay: Relay | None = None) -> None:
        self.world, self._relay = World(), relay
        self._random = random.Random(seed)
        self._place = place
        common = variables | {"MEZZOTINT_GRACE": GRACE, "MEZZOTINT_CHECKPOINT_SEGMENTS": "40"}
        common["MEZZOTINT_SECRET_KEY"] = "soak" * 10
        self._variables = {
            "writer": common | {"MEZZOTINT_WORKERS": "2"},
            "reader": common | {"MEZZOTINT_READ_ONLY": "true"},
        }
        self._servers: dict[str, Server] = {}
        self._own = Client(_CLIENTS, seed, self.world)
        self._clients = [Client(number, seed, self.world) for number in range(_CLIENTS)]

    def run(self, minutes: float) -> None:
        """Raises Violation."""
        until = time.monotonic() + 60 * minutes
        try:
            self._start("writer")
            self.world.token = self._servers["writer"].token(tokens.Scope.WRITE)
            self._start("reader")
            for client in self._clients:
                client.start()
            self._wreak_havoc(until)
            self._calm()
            self._wait_for_clients()
            if not self.world.violations:
                self._look_at_all()
        finally:
            self.world.ended.set()
            for name in list(self._servers):
                self._kill(name)
            for client in filter(Client.is_alive, self._clients):
                client.join(130)
        if self.world.violations:
            raise Violation("\n".join(self.world.violations))
        self._ask_the_oracle()

    def _wreak_havoc(self, until: float) -> None:
        doings: list[Callable[[], None]] = [
            self.kill_a_worker,
            self.kill_the_writer,
            self.kill_the_reader,
            self.delete_the_database,
            self.make_a_checkpoint,
            self.reconcile,
            self.verify,
        ]
        if self._relay is not None:
            self._relay.weather = BAD
            doings.append(self.go_black)
        turn: list[Callable[[], None]] = []
        while time.monotonic() < until and not self.world.ended.wait(self._random.uniform(0.5, 3)):
            if not turn:
                turn = self._random.sample(doings, len(doings))
            doing = turn.pop()
            doing()
            self.world.counted(doing.__name__)

    def kill_a_worker(self) -> None:
        process = self._servers["writer"].process.pid
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        if children:
            os.kill(int(self._random.choice(children)), signal.SIGKILL)
            self.world.counted("kills")

    def kill_the_writer(self) -> None:
        self._kill("writer")
        self._start("writer")

    def kill_the_reader(self) -> None:
        self._kill("reader")
        if self._random.random() < 0.5:
            lose_database(self._place / "reader")
        self._start("reader")

    def delete_the_database(self) -> None:
        self._kill("writer")
        lose_database(self._place / "writer")
        self._start("writer")

    def make_a_checkpoint(self) -> None:
        self._own.insist(lambda: self._own.ask("POST", "/api/snapshots/", {202}))

    def go_black(self) -> None:
        """For a while longer than the store's time limit, now and then."""
        assert self._relay is not None
        self._relay.black()
        time.sleep(self._random.uniform(0.5, 1.5 * _STORE_TIMEOUT))
        self._relay.clear()

    def reconcile(self) -> None:
        """Killed half-way now and then."""
        status, said = self._command("reconcile", "--apply", "--json", killed=self._random.random() < 0.3)
        if status not in {0, -signal.SIGKILL} and not self._is_weather(said):
            self.world.violated(f"reconcile: {status} {said}")

    def verify(self) -> None:
        status, said = self._command("verify", "--json")
        if status and not self._is_weather(said):
            self.world.violated(f"verify: {status} {said}")

    def _is_weather(self, said: str) -> bool:
        """Whether a command ended because the store did not answer it, and says so in a sentence."""
        if self._relay is None or "Traceback" in said or not _WEATHER.search(said):
            return False
        self.world.counted("commands given up")
        return True

    def _calm(self) -> None:
        if self._relay is not None:
            self._relay.weather = Weather()
            for what, count in self._relay.struck.items():
                self.world.count[f"network: {what}"] += count

    def _command(self, *arguments: str, killed: bool = False) -> tuple[int, str]:
        data = self._place / "writer"
        variables = environment(data, **self._variables["writer"])
        process = subprocess.Popen(
            [PROGRAM, *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if killed:
            time.sleep(self._random.uniform(0.3, 2))
            process.kill()
            self.world.counted("kills")
        said, _ = process.communicate(timeout=300)
        return process.returncode, said[-2000:]

    def _start(self, name: str) -> None:
        data = self._place / name
        data.mkdir(exist_ok=True)
        self._servers[name] = start_server(data, **self._variables[name])
        self.world.servers[name] = self._servers[name].url

    def _kill(self, name: str) -> None:
        """Its workers too, at one blow."""
        self.world.servers.pop(name, None)
        self._servers.pop(name).kill()
        self.world.counted("kills")

    def _wait_for_clients(self) -> None:
        self.world.ended.set()
        for client in self._clients:
            client.join(130)
            if client.is_alive():
                self.world.violated(f"{client.name} does not end")

    def _look_at_all(self) -> None:
        """At the writer, and at the read node once it has come as far."""
        live = self._status("writer")["live"]
        until = time.monotonic() + 30
        while self._status("reader")["live"] < live:
            if time.monotonic() > until:
                raise Violation(f"the read node does not come to commit {live}")
            time.sleep(0.2)
        for server in ("writer", "reader"):
            for known in self._pictures():
                self._own.insist(partial(self._own.check, known, server))

    def _status(self, server: str) -> Any:
        return self._own.insist(lambda: self._own.ask("GET", "/api/status/", {200}, server=server)).json()

    def _pictures(self) -> list[Known]:
        return [known for client in self._clients for known in client.pictures]

    def _ask_the_oracle(self) -> None:
        """When nobody serves any more: of the store, the writer's database, and one made anew."""
        import tests.conftest  # noqa: F401  whose settings Django takes
        from mezzotint.site.prepare import django_setup
        from tests.durability import oracle

        django_setup()
        with oracle.started(self._place / "writer", self._variables["writer"]):
            shown = oracle.look().images
            for known in self._pictures():
                if shown.get(known.ident) not in known.titles:
                    raise Violation(f"{known.ident} is {shown.get(known.ident)}, and not one of {known.titles}")
                self.world.counted("checks")
            oracle.check()


@contextmanager
def variables_of(store: str, place: Path, weather: int | None = None) -> Iterator[tuple[dict[str, str], Relay | None]]:
    """What a server is told so that it keeps its objects in a new store of this kind; behind a relay, where its weather
    has a seed."""
    if store == "directory":
        yield {"MEZZOTINT_STORE": f"file://{place / 'store'}"}, None
        return
    if missing := missing_swift():
        raise SystemExit(missing)
    cluster = SwiftCluster.start(place / "swift")
    try:
        variables = cluster.environment() | {"MEZZOTINT_STORE": f"{store}://{cluster.new_container()}/soak"}
        if weather is None:
            yield variables, None
            return
        with Relay(cluster.port, seed=weather) as relay:
            ports = f":{cluster.port}", f":{relay.port}"
            variables = {name: value.replace(*ports) for name, value in variables.items()}
            yield variables | {"MEZZOTINT_STORE_TIMEOUT": str(_STORE_TIMEOUT)}, relay
    finally:
        cluster.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.durability.soak")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--store", choices=("directory", "swift", "s3"), default="directory")
    parser.add_argument("--weather", action="store_true", help="a bad network before the store")
    given = parser.parse_args()
    if given.weather and given.store == "directory":
        parser.error("a directory is behind no network: --store swift, or s3")
    bad = " WEATHER=1" if given.weather else ""
    say(f"seed {given.seed}; again: make soak MINUTES={given.minutes:g} SEED={given.seed} STORE={given.store}{bad}")
    place = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        with variables_of(given.store, place, given.seed if given.weather else None) as (variables, relay):
            soak = Soak(place, given.seed, variables, relay)
            try:
                soak.run(given.minutes)
            finally:
                say("\n".join(f"{count:8}  {what}" for what, count in sorted(soak.world.count.items())))
        if not soak.world.count["kills"]:
            raise Violation("nothing was killed, so nothing was shown")
        if not soak.world.count["commits acknowledged"] or not soak.world.count["checks"]:
            raise Violation("nothing was acknowledged, so nothing was shown")
    except (Violation, AssertionError) as violation:
        say(f"VIOLATION, seed {given.seed}; what is left is in {place}\n{violation}")
        return 1
    shutil.rmtree(place)
    say("every promise was kept")
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    status = main()
    if conftest := sys.modules.get("tests.conftest"):
        shutil.rmtree(conftest._DATA, ignore_errors=True)
    sys.exit(status)
