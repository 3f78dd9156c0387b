"""Random lives of a repository; MACHINE_EXAMPLES=500 MACHINE_STEPS=60 have more and longer ones."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.durability.machine import FaultyMachine, Machine

# few and long ones: each ends with a database made anew, which takes longer than the steps do
HOW_MANY = settings(
    max_examples=int(os.environ.get("MACHINE_EXAMPLES", "8")),
    stateful_step_count=int(os.environ.get("MACHINE_STEPS", "60")),
    suppress_health_check=list(HealthCheck),
)


def live(kind: type[Machine]) -> None:
    """A run that showed nothing is a failed one."""
    run_state_machine_as_test(kind, settings=HOW_MANY)
    assert kind.done["commits"] and kind.done["reconciled"], f"nothing was done but {kind.done}"
    assert kind.injected["crash"] + kind.injected["crash-after"], f"no crash among {kind.injected}"


@pytest.mark.usefixtures("transactional_db")
def test_a_repository_over_a_directory_keeps_what_it_promised() -> None:
    live(Machine)


@pytest.mark.usefixtures("transactional_db")
def test_a_repository_over_a_store_that_fails_keeps_what_it_promised() -> None:
    live(FaultyMachine)
    injected = FaultyMachine.injected
    assert injected["refused"] and injected["lost"] and injected["half"] + injected["late"] + injected["double"]
