"""What an earlier version wrote is gone on with, and what a later one wrote is refused, and said so."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
import zstandard

import mezzotint.repository.migrations
from mezzotint.errors import JournalBroken
from mezzotint.journal import Change, read_marker
from mezzotint.journal.segment import FIRST, fingerprint
from mezzotint.names import Ident
from mezzotint.names.keys import MARKER_KEY, journal_key
from mezzotint.objects import ObjectStore
from mezzotint.repository import commits, standing
from mezzotint.repository.upkeep import restoring
from mezzotint.wiring import Engine
from tests import pictures
from tests.durability.oracle import another_database, rows
from tests.repository.keeping import furnish, lose_database, put_in
from tests.repository.upkeep.test_restoring import checkpoint, restored
from tests.servers import rows as rows_of
from tests.servers import run

ROOT = Path(__file__).parent.parent.parent
LATER = """
from django.db import migrations, models


def shout(apps, schema_editor):
    for image in apps.get_model("repository", "Image").objects.all():
        image.title = image.title.upper()
        image.save(update_fields=["title"])


class Migration(migrations.Migration):
    dependencies = [("repository", "{last}")]
    operations = [
        migrations.AddField("image", "shelfmark", models.TextField(default="none", db_default="none")),
        migrations.RunPython(shout, migrations.RunPython.noop),
    ]
"""

EARLIER = """
from django.core.management import call_command
call_command("migrate", "auth", verbosity=0)
call_command("migrate", "repository", "0002", verbosity=0)
call_command("createsuperuser", interactive=False, username="clara", email="c@example.org")
"""


def old_segment(store: ObjectStore, seq: int, previous: str, *changes: Change) -> str:
    """As version 1 wrote it: no epoch, no schema."""
    head = {"mezzotint": "segment", "format": 1, "seq": seq, "transaction": str(uuid.UUID(int=seq)),
            "previous": previous, "at": f"2025-01-0{seq}T00:00:00+00:00", "by": "old", "note": ""}  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in (head, *changes, {"end": len(changes)}))
    data = zstandard.ZstdCompressor(write_checksum=True).compress(text.encode())
    store.put(journal_key(seq), data)
    return fingerprint(data)


def old_store(engine: Engine) -> list[str]:
    """Two images in a collection, one of them removed again."""
    previous, idents = FIRST, []
    for seq in (1, 2):
        base = engine.bases.add([pictures.png(seed=seq)])
        idents.append(str(base.ident))
        image = {"put": "image", "ident": base.ident, "title": f"Old {seq}", "description": "", "creator": "",
                 "rights": "", "source": "", "tags": ["x"], "captured": "", "exif": {}, "width": 64, "height": 48,
                 "format": "png", "bytes": base.facts.bytes, "added": f"2025-01-0{seq}T00:00:00+00:00", "version": 1,
                 "field_versions": {}}  # fmt: skip
        shelf = {"put": "collection", "slug": "shelf", "title": "Shelf", "description": "", "version": 1}
        member = {"put": "member", "slug": "shelf", "ident": base.ident, "position": seq}
        previous = old_segment(engine.store, seq, previous, image, shelf, member)
    old_segment(engine.store, 3, previous, {"remove": "image", "ident": idents[0]})
    return idents


def _told(found: dict[str, list[Change]]) -> dict[str, list[Change]]:
    """An image that was removed is held as the schema of then had it: without the fields that came later."""
    for one in found["removal"]:
        one["state"] = {name: value for name, value in one["state"].items() if value}
    return found


def test_a_store_of_format_1_is_read_and_gone_on_with(repository: Engine, tmp_path: Path) -> None:
    gone, kept = old_store(repository)
    assert read_marker(repository.store) is None
    data, store = tmp_path / "new", f"file://{tmp_path}/data/store"
    listed = run(data, "commits", "--json", MEZZOTINT_STORE=store)
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    assert [(one["seq"], one["by"], one["added"], one["removed"]) for one in found[-3:]] == [
        (3, "old", 0, 1), (2, "old", 1, 0), (1, "old", 1, 0)
    ]  # fmt: skip
    assert len(found) == 4  # and who may log in
    assert rows_of(data, "SELECT ident, title FROM repository_image") == [(kept, "Old 2")]
    assert rows_of(data, "SELECT ident FROM repository_removal") == [(gone,)]
    assert read_marker(repository.store) is not None
    assert commits.catch_up() == 4
    assert _told(restored()) == _told(rows())
    assert [repository.bases.exists(Ident(ident)) for ident in (gone, kept)] == [False, True]
    assert repository.bases.life.recover(Ident(gone))


def test_people_of_before_the_journal_held_them_are_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = run(data, "manage", "shell", "-c", EARLIER, DJANGO_SUPERUSER_PASSWORD="a long enough one 7")
    assert done.returncode == 0, done.stderr
    people = "SELECT username, password, is_superuser FROM auth_user ORDER BY username"
    before = rows_of(data, people)
    assert [name for name, *_ in before] == ["clara"]
    assert run(data, "commits").returncode == 0
    lose_database(data)
    assert run(data, "commits").returncode == 0
    assert rows_of(data, people) == before


class Later:
    """The program as it will be: one migration more, which adds a column and changes what is there."""

    def __init__(self, directory: Path) -> None:
        shutil.copytree(Path(mezzotint.repository.migrations.__file__).parent, directory / "later_migrations")
        last = max(path.stem for path in directory.glob("later_migrations/0*.py"))
        (directory / "later_migrations/0900_later.py").write_text(LATER.replace("{last}", last))
        (directory / "later_settings.py").write_text(
            'from mezzotint.site.settings import *\n\nMIGRATION_MODULES = {"repository": "later_migrations"}\n'
        )
        self._variables = {"DJANGO_SETTINGS_MODULE": "later_settings", "PYTHONPATH": f"{directory}:{ROOT}"}

    def starts(self, data: Path, store: str) -> list[dict[str, Any]]:
        """Start once on this data directory; the commits that are there then."""
        done = run(data, "commits", "--json", MEZZOTINT_STORE=store, **self._variables)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))


MARKS = "SELECT title, shelfmark FROM repository_image ORDER BY title"


def test_an_old_checkpoint_is_restored_by_a_later_version(repository: Engine, tmp_path: Path) -> None:
    furnish(repository)
    checkpoint()
    put_in(repository, 10, title="After it")
    standing.compare()
    store = f"file://{tmp_path}/data/store"
    later, head = Later(tmp_path), standing.head().seq
    data = tmp_path / "later"
    assert later.starts(data, store)[-1]["seq"] == 1
    expected = [(title, "none") for title in ("AFTER IT", "EDITED", "NO. 1", "NO. 2")]
    assert rows_of(data, MARKS) == expected
    names = [name for (name,) in rows_of(data, "SELECT username FROM auth_user ORDER BY username")]
    assert names[:2] == ["anna", "bela"]
    lose_database(data)
    later.starts(data, store)
    assert rows_of(data, MARKS) == expected
    assert repository.journal.last(0) >= head


def test_a_database_that_a_later_version_migrated_comes_back_the_same(repository: Engine, tmp_path: Path) -> None:
    data, store = tmp_path / "own", f"file://{tmp_path}/own/store"
    source = tmp_path / "pictures"
    source.mkdir()
    (source / "plate.png").write_bytes(pictures.png(seed=1))
    assert run(data, "ingest", str(source)).returncode == 0
    assert run(data, "snapshot", "--wait").returncode == 0
    rows_before = rows_of(data, "SELECT ident FROM repository_image")
    later = Later(tmp_path)
    later.starts(data, store)
    migrated = rows_of(data, MARKS)
    assert [mark for _, mark in migrated] == ["none"]
    lose_database(data)
    later.starts(data, store)
    assert rows_of(data, MARKS) == migrated
    assert rows_of(data, "SELECT ident FROM repository_image") == rows_before


def test_what_a_later_version_wrote_is_refused_and_said_so(repository: Engine, tmp_path: Path) -> None:
    furnish(repository)
    checkpoint()
    standing.compare()
    store = f"file://{tmp_path}/data/store"
    Later(tmp_path).starts(tmp_path / "later", store)
    with another_database(), pytest.raises(JournalBroken, match="later version"):
        restoring.restore()
    refused = run(tmp_path / "old", "commits", MEZZOTINT_STORE=store)
    assert refused.returncode == 2
    assert "later version" in refused.stderr
    assert repository.store.stat(MARKER_KEY).size > 0


@pytest.mark.parametrize(
    ("head", "change"),
    [
        ({"format": 99}, None),
        ({}, {"put": "hologram", "ident": "x"}),
        ({}, {"rename": "image", "ident": "x"}),
        ({}, {"put": "collection", "slug": "s", "title": "t", "description": "", "version": 1, "smell": "sweet"}),
    ],
)
def test_a_segment_of_a_later_version_is_refused_and_nothing_of_it_is_seen(
    repository: Engine, head: Change, change: Change | None
) -> None:
    put_in(repository, 1)
    before = rows()
    said = {"mezzotint": "segment", "format": 2, "seq": 2, "transaction": "t", "at": "2030-01-01T00:00:00+00:00",
            "previous": standing.head().fingerprint, "by": "later", "note": ""} | head  # fmt: skip
    known = {"put": "collection", "slug": "known", "title": "Known", "description": "", "version": 1}
    changes = [known, change] if change else [known]
    text = "".join(json.dumps(line) + "\n" for line in (said, *changes, {"end": len(changes)}))
    repository.store.put(journal_key(2), zstandard.ZstdCompressor().compress(text.encode()))
    with pytest.raises(JournalBroken, match=r"later version|does not know"):
        commits.catch_up()
    assert rows() == before
