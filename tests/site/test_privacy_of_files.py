"""What is made below MEZZOTINT_DATA is its user's alone, secrets are shown to terminals alone, and no line of the log
obeys who has sent what is in it."""

from __future__ import annotations

import io
import logging
import os
import pty
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axes.models import AccessAttempt
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from mezzotint.cli.output import told
from mezzotint.errors import visible
from mezzotint.repository.upkeep import maintenance
from mezzotint.settings import Settings
from mezzotint.site.logs import Formatter
from mezzotint.site.prepare import Ready
from mezzotint.wiring import Engine
from tests import pictures
from tests.conftest import Server

HOSTILE = "a\x1b[31mb\x9bc\rd\x7f\u202ee\u2028f"


def open_to_others(root: Path) -> Iterator[str]:
    for directory, _, files in os.walk(root):
        for path in (Path(directory), *(Path(directory, name) for name in files)):
            if stat.S_IMODE(path.lstat().st_mode) & 0o077:
                yield str(path.relative_to(root))


def test_nobody_else_can_read_what_is_made(serve: Callable[..., Server]) -> None:
    server = serve()
    ident = server.upload(pictures.jpeg(300, 200, seed=43))
    assert server.http.get(f"/images/{ident}-w50.jpg").status_code == 200
    assert list(open_to_others(server.data)) == []


def test_others_can_where_the_setting_says_so(serve: Callable[..., Server]) -> None:
    server = serve(MEZZOTINT_UMASK="022")
    assert server.http.get(f"/images/{server.upload(pictures.jpeg(300, 200, seed=44))}-w50.jpg").status_code == 200
    seen = set(open_to_others(server.data))
    assert "mezzotint.sqlite3" in seen
    assert not seen & {"secret-key", "first-login"}


def test_the_first_password_is_in_no_log(serve: Callable[..., Server]) -> None:
    server = serve()
    secrets = (server.data / "first-login").read_text()
    assert "user: admin   password: " in secrets
    log = server.log.read_text()
    assert str(server.data / "first-login") in log
    assert secrets.split()[-1] not in log and "password: " not in log


def test_a_terminal_is_shown_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.read({"MEZZOTINT_DATA": str(tmp_path)})
    ours, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream, os.fdopen(ours):
        monkeypatch.setattr("sys.stderr", stream)
        lines = "\n".join(Ready(password="letmein", token="x.y.z").told(settings))
    assert "password: letmein" in lines and "x.y.z" in lines
    assert not (tmp_path / "first-login").exists()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_a_line_of_the_log_holds_nothing_that_a_terminal_obeys(form: str) -> None:
    record = logging.LogRecord("mezzotint.x", logging.INFO, "", 0, "asked for %s", (HOSTILE,), None)
    line = Formatter(form).format(record)
    assert visible(line) == line
    assert "\\x1b[31m" in line.replace("\\\\", "\\")
    assert len(line.splitlines()) == 1


def test_neither_does_what_a_command_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from mezzotint.cli.output import fail, tell

    stream = io.StringIO()
    monkeypatch.setattr(told, "file", stream)
    tell(HOSTILE)
    with pytest.raises(SystemExit):
        fail(HOSTILE)
    assert visible(stream.getvalue()) == stream.getvalue()
    assert stream.getvalue().count("\\x1b[31mb\\x9bc\\rd\\x7f\\u202ee\\u2028f") == 2


def test_logins_that_have_ended_leave_the_database(repository: Engine) -> None:
    ended, going_on = SessionStore(), SessionStore()
    for store, seconds in ((ended, -10), (going_on, 600)):
        store.set_expiry(seconds)
        store.create()
    for days in (8, 0):
        attempt = AccessAttempt.objects.create(
            username=f"ada{days}", ip_address="192.0.2.1", user_agent="x", failures_since_start=1
        )
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=timezone.now() - timedelta(days=days))
    maintenance._forget_logins()
    assert not SessionStore().exists(str(ended.session_key))
    assert SessionStore().exists(str(going_on.session_key))
    assert list(AccessAttempt.objects.values_list("username", flat=True)) == ["ada0"]
