"""A query that takes too long is ended by the database itself, and the connection goes on."""

from __future__ import annotations

import time

import pytest
from django.db import OperationalError, connection
from django.db.models.expressions import RawSQL

from mezzotint.errors import GivenUp
from mezzotint.repository import paging, services
from mezzotint.repository.models import Image
from mezzotint.repository.patience import patient
from mezzotint.wiring import Engine
from tests.pictures import jpeg
from tests.repository.adding import add_image
from tests.waiting import PATIENCE

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
LONG = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT max(x) FROM n"


def ask(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


def test_what_takes_too_long_is_ended_and_names_the_setting(repository: Engine) -> None:
    began = time.monotonic()
    with (
        pytest.raises(GivenUp, match=r"longer than 0\.05 seconds to find this, SOME_SETTING"),
        patient(0.05, "SOME_SETTING"),
    ):
        ask(ENDLESS)
    assert time.monotonic() - began < PATIENCE
    with patient(PATIENCE, "SOME_SETTING"):
        assert ask("SELECT 1") == 1


def test_the_limit_is_gone_afterwards(repository: Engine) -> None:
    with patient(0.001, "SOME_SETTING"):
        pass
    assert ask(LONG) == 300_000


def test_other_errors_of_the_database_are_left_alone(repository: Engine) -> None:
    with pytest.raises(OperationalError, match="of its own"), patient(1, "SOME_SETTING"):
        raise OperationalError("of its own")


def test_a_page_has_a_limit(repository: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    base = repository.bases.add([jpeg(20, 10)])
    services.at_once("tester", lambda session: add_image(session, base, {}))  # without a row PostgreSQL need not ask
    monkeypatch.setitem(repository.settings.__dict__, "search_timeout", 0.05)
    with pytest.raises(GivenUp, match="MEZZOTINT_SEARCH_TIMEOUT"):
        paging.page(Image.objects.filter(width__in=RawSQL(ENDLESS, [])), "-added", "", 10)
    assert [image.ident for image in paging.page(Image.objects.all(), "-added", "", 10).items] == [base.ident]
