"""Servers of one's own for the tests of the stores over the network."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backends.swift import SwiftCluster
from tests.objects.between import Between


@pytest.fixture
def between(swift: SwiftCluster) -> Iterator[Between]:
    """The run's Swift, also as an S3, through a proxy of this test's own that can be told to misbehave."""
    started = Between(swift)
    yield started
    started.stop()
