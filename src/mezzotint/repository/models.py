"""The repository's tables. All but the sessions can be rebuilt from the journal.

Nothing here is written but by `apply` (what was committed) and `services`
(what is being prepared); reading goes through `queries`.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class Image(models.Model):
    ident = models.CharField(max_length=64, unique=True, editable=False)
    title = models.TextField(blank=True)
    description = models.TextField(blank=True)
    creator = models.TextField(blank=True)
    rights = models.TextField(blank=True)
    source = models.TextField(blank=True)
    tags = models.JSONField(default=list, blank=True)
    captured = models.CharField(max_length=32, blank=True, help_text="ISO 8601: a year, a month, a day or a moment")
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
            models.Index(fields=["captured", "ident"]),
            models.Index(fields=["bytes", "ident"]),
            models.Index(fields=["width", "ident"]),
            models.Index(fields=["height", "ident"]),
            models.Index(fields=["format"]),
        ]

    def __str__(self) -> str:
        return self.title or self.ident[:12]


class Collection(models.Model):
    slug = models.SlugField(max_length=100, unique=True)
    title = models.TextField()
    description = models.TextField(blank=True)
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
    settled = models.BooleanField(default=False, help_text="what it removed has been let go of")

    class Meta:
        ordering = ["-seq"]

    def __str__(self) -> str:
        return f"{self.seq} by {self.by}"


class UpdateSession(models.Model):
    """Changes that become visible all at once or not at all."""

    class State(models.TextChoices):
        OPEN = "open"
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
