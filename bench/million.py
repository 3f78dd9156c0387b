"""Lists, filters and searches over a million images: CPU seconds of this process, on SQLite."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import Figure, fresh

IMAGES = int(os.environ.get("BENCH_IMAGES", "1000000"))
_COLUMNS = (
    "id", "ident", "title", "description", "creator", "rights", "source", "tags", "captured", "exif", "width", "height",
    "format", "bytes", "added", "version", "field_versions",
)  # fmt: skip
ASKED: list[tuple[str, dict[str, str], str, int]] = [
    ("a page in the middle, -added", {}, "-added", 3),
    ("a page in the middle, title", {}, "title", 3),
    ("a page in the middle, bytes", {}, "bytes", 3),
    ("tag, half of all", {"tag": "half"}, "-added", 10),
    ("tag, one of 200", {"tag": "group 7"}, "-added", 10),
    ("tag, ten images", {"tag": "rare"}, "-added", 10),
    ("creator, none found", {"creator": "nobody"}, "-added", 10),
    ("format, none found", {"format": "tiff"}, "-added", 10),
    ("collection, half of all", {"collection": "half"}, "-added", 20),
    ("two common words", {"search": "photograph harbour"}, "-added", 50),
    ("one common prefix", {"search": "photo"}, "-added", 50),
    ("one letter", {"search": "p"}, "-added", 50),
    ("count of a search in the admin", {"search": "photograph"}, "count", 20),
]
"""what, its filters, its order, and the target in milliseconds"""


def million() -> list[Figure]:
    """Each beside the first page, which costs what 50 rows cost."""
    _open(fresh("million"))
    from mezzotint.repository import filters, paging
    from mezzotint.repository.admin import BoundedPaginator
    from mezzotint.repository.models import Image

    def ask(parameters: dict[str, str], order: str) -> None:
        if order == "count":
            _ = BoundedPaginator(filters.images(parameters), 50).count
            return
        cursor = "" if parameters else _middle(Image, order)
        paging.page(filters.images(parameters), order, cursor, 50)

    found = []
    floor = _least(lambda: paging.page(filters.images({}), "-added", "", 50))
    for what, parameters, order, target in ASKED:
        ours = _least(lambda asked=(parameters, order): ask(*asked))
        said = f"{ours * 1000:.1f} ms", f"{floor * 1000:.1f} ms", ours / floor, f"{target} ms"
        found.append(Figure(f"{IMAGES:,} images: {what}", *said, ours * 1000 <= target))
    return found


def _least(work: Any) -> float:
    took = []
    for _ in range(3):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def _middle(model: Any, order: str) -> str:
    from mezzotint.repository.paging import _write_cursor

    image = model.objects.get(pk=IMAGES // 2)
    return _write_cursor(getattr(image, order.removeprefix("-")), image.ident)


def _open(work: Path) -> None:
    """A database of so many images, in this process."""
    os.environ.update(MEZZOTINT_DATA=str(work / "data"), DJANGO_SETTINGS_MODULE="mezzotint.site.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    database = sqlite3.connect(work / "data" / "mezzotint.sqlite3")
    database.execute("PRAGMA synchronous = OFF")
    places = ", ".join("?" * len(_COLUMNS))
    database.executemany(f"INSERT INTO repository_image ({', '.join(_COLUMNS)}) VALUES ({places})", _rows())
    database.execute("INSERT INTO repository_collection VALUES (1, 'half', 'Half', '', 1)")
    members = ((number, number) for number in range(1, IMAGES, 2))
    database.executemany(
        "INSERT INTO repository_membership (collection_id, image_id, position) VALUES (1, ?, ?)", members
    )
    database.commit()
    database.close()


def _rows() -> Iterator[tuple[Any, ...]]:
    chance = random.Random(1)
    for number in range(1, IMAGES + 1):
        words = ["photograph" if number % 2 else "photo", *(["harbour"] if number % 3 else [])]
        title = " ".join([*words, *(f"w{chance.randrange(5000):04}" for _ in range(3))])
        tags = [
            f"group {number % 200}",
            *(["half"] if number % 2 else []),
            *(["rare"] if number % 100_000 == 7 else []),
        ]
        added = f"2025-{1 + number * 12 // (IMAGES + 1):02}-{1 + number % 28:02} {number // 3600 % 24:02}:00:00"
        yield (
            number, hashlib.sha256(str(number).encode()).hexdigest(), title, f"of w{chance.randrange(5000):04}",
            f"creator {number % 5000}", "", "", json.dumps(tags), str(1850 + number % 150), "{}", 1000 + number % 5000,
            800 + number % 3000, "jpeg" if number % 10 else "png", chance.randrange(10**7), added, 1, "{}",
        )  # fmt: skip
