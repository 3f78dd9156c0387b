"""The repository's tables: what the journal holds, and what is this database's own.

What the journal holds is written by `apply` alone, from committed segments;
whatever else changes it is caught by `capture` and committed in its turn.
Reading goes through `queries`.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from mezzotint.repository import tables  # noqa: F401  so that Django knows them
from mezzotint.repository.metadata import BEHAVIORS, DIRECTIONS, PUBLIC


def _choices(words: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(word, word) for word in words]


class Image(models.Model):
    ident = models.CharField(max_length=64, unique=True, editable=False)
    title = models.TextField(blank=True)
    description = models.TextField(blank=True)
    creator = models.TextField(blank=True)
    rights = models.TextField(blank=True)
    source = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    captured = models.CharField(max_length=32, blank=True, help_text="a date or a span, as EDTF has it")
    captured_first = models.CharField(max_length=32, blank=True, default="", editable=False)
    captured_last = models.CharField(max_length=32, blank=True, default="", editable=False)
    alt = models.TextField(blank=True, default="", help_text="what is to be seen, for who does not see it")
    licence = models.TextField(blank=True, default="", help_text="its address, or its name")
    file_name = models.TextField(blank=True, default="", help_text="that it came in by")
    custom = models.JSONField(default=dict, blank=True, editable=False, help_text="the installation's own fields")
    exif = models.JSONField(default=dict, editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    format = models.CharField(max_length=8, editable=False)
    bytes = models.BigIntegerField(editable=False)
    added = models.DateTimeField(editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    field_versions = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["-added", "-ident"]
        indexes = [
            models.Index(fields=["added", "ident"]),
            models.Index(fields=["title", "ident"]),
            models.Index(fields=["captured_first", "ident"]),
            models.Index(fields=["captured_last"]),
            models.Index(fields=["bytes", "ident"]),
            models.Index(fields=["width", "ident"]),
            models.Index(fields=["height", "ident"]),
            models.Index(fields=["format"]),
            models.Index(Lower("creator"), name="repository_image_creator"),
        ]

    def __str__(self) -> str:
        return self.title or self.ident[:12]


class Collection(models.Model):
    slug = models.SlugField(max_length=100, unique=True)
    title = models.TextField()
    description = models.TextField(blank=True)
    viewing_direction = models.TextField(blank=True, default="", choices=_choices(DIRECTIONS))
    behavior = models.TextField(blank=True, default="", choices=_choices(BEHAVIORS))
    licence = models.TextField(blank=True, default="", help_text="its address, or its name")
    visibility = models.TextField(
        blank=True, default=PUBLIC, help_text="public, login, group:NAME, or the day from which on it is public"
    )
    cover = models.CharField(max_length=64, blank=True, default="", help_text="the ident of what stands for it")
    parent = models.CharField(
        max_length=100, blank=True, default="", db_index=True, help_text="the slug of the collection that it is in"
    )
    document = models.CharField(
        max_length=64, blank=True, default="", help_text="the SHA-256 of the PDF that its pages are of"
    )
    ranges = models.JSONField(default=list, blank=True, editable=False, help_text="its headings, in order")
    version = models.PositiveIntegerField(default=1, editable=False)
    images = models.ManyToManyField(Image, through="Membership", related_name="collections")

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.title


class Membership(models.Model):
    """An image's place in a collection; places are in order, not without gaps."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="memberships")
    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="memberships")
    position = models.BigIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["collection", "image"], name="once_in_a_collection")]
        indexes = [models.Index(fields=["collection", "position"])]

    def __str__(self) -> str:
        return f"{self.collection_id}[{self.position}]"


class Removal(models.Model):
    """An image that was removed: its base is in the trash, and can be had back, until the grace is over."""

    ident = models.CharField(max_length=64, unique=True, editable=False)
    state = models.JSONField(editable=False)
    seq = models.BigIntegerField(db_index=True, editable=False)
    at = models.DateTimeField(editable=False)
    by = models.TextField(editable=False)
    settled = models.BooleanField(
        default=False, db_default=False, help_text="its base is in the trash, its derivatives are gone"
    )

    class Meta:
        ordering = ["-seq", "ident"]

    def __str__(self) -> str:
        return self.state.get("title") or self.ident[:12]


class Commit(models.Model):
    """A segment of the journal that has been applied. The last one is the head."""

    seq = models.BigIntegerField(primary_key=True)
    fingerprint = models.CharField(max_length=64)
    transaction = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField()
    by = models.TextField()
    note = models.TextField(blank=True)
    added = models.PositiveIntegerField(default=0)
    edited = models.PositiveIntegerField(default=0)
    removed = models.PositiveIntegerField(default=0)
    collections = models.PositiveIntegerField(default=0)
    epoch = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-seq"]

    def __str__(self) -> str:
        return f"{self.seq} by {self.by}"


class UpdateSession(models.Model):
    """Changes that become visible all at once or not at all."""

    class State(models.TextChoices):
        OPEN = "open"
        COMMITTING = "committing"
        COMMITTED = "committed"
        ABORTED = "aborted"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    opened = models.DateTimeField(default=timezone.now)
    by = models.TextField()
    note = models.TextField(blank=True)
    seq = models.BigIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-opened"]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class SessionChange(models.Model):
    """One step of a session, in the order of ids. `key` is an ident or a collection's slug."""

    class Kind(models.TextChoices):
        ADD = "add"
        EDIT = "edit"
        REMOVE = "remove"
        COLLECTION = "collection"
        REMOVE_COLLECTION = "remove-collection"

    session = models.ForeignKey(UpdateSession, on_delete=models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    key = models.CharField(max_length=100)
    fields = models.JSONField(default=dict)
    seen_version = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key[:12]}"


class Installation(models.Model):
    """What this database knows of itself. One row; it is not journaled."""

    store = models.CharField(max_length=64, blank=True, help_text="the marker of the store that it belongs to")
    epoch = models.BigIntegerField(default=0, help_text="its turn in writing, where the store does not arbitrate")
    alarm = models.TextField(blank=True, help_text="why nothing may be written now, and what to do")
    pinned = models.BigIntegerField(null=True, help_text="the commit that it was restored at, to look at")
    schema = models.JSONField(default=dict, help_text="the migrations that a checkpoint was made with")
    followed = models.DateTimeField(null=True, help_text="when the journal's end was last seen")
    looked = models.BigIntegerField(default=0, help_text="the number of the last image that was looked at")
    traced = models.BigIntegerField(default=0, help_text="the last commit whose traces are still to be made")

    def __str__(self) -> str:
        return self.store


class Captured(models.Model):
    """A row of a journaled table that was changed otherwise than by a commit, noted by a trigger."""

    kind = models.CharField(max_length=20)
    key = models.TextField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Applying(models.Model):
    """Has a row, seen by the transaction that put it there alone, while that applies a segment:
    what it changes needs no capture."""

    def __str__(self) -> str:
        return str(self.pk)


class Sighting(models.Model):
    """An object that no entry refers to, and when it was seen so, in seconds by the store's clock."""

    key = models.CharField(max_length=255, unique=True)
    first_seen = models.FloatField()
    last_seen = models.FloatField()

    def __str__(self) -> str:
        return self.key


class Snapshot(models.Model):
    """A checkpoint that was asked for or made."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    by = models.TextField()
    asked = models.DateTimeField(default=timezone.now)
    seq = models.BigIntegerField(null=True, blank=True)
    key = models.CharField(max_length=255, blank=True)
    bytes = models.BigIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-asked"]

    def __str__(self) -> str:
        return f"{self.state} {self.seq or ''}"
