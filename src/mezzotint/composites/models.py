"""What was asked for, and how far it is. This database's own tables: none of them is journaled.

Moments that workers compare are in seconds since the epoch.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class Status(models.TextChoices):
    """Of a member, in the order in which they come; an error may come in the place of each."""

    PENDING = "PENDING"
    FETCHING_ORIGIN = "FETCHING_ORIGIN"
    RASTERIZING = "RASTERIZING"
    PUSHING_TO_DLCS = "PUSHING_TO_DLCS"
    BUILDING_DLCS_REQUEST = "BUILDING_DLCS_REQUEST"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"


class TargetKind(models.TextChoices):
    DLCS = "dlcs"
    REPOSITORY = "repository"


class Collection(models.Model):
    """A request. Its members are rows of their own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.BigIntegerField(db_index=True, editable=False)
    json_data = models.JSONField(editable=False, help_text="the request, without its members")
    request = models.CharField(max_length=128, blank=True, editable=False, help_text="id of the request over HTTP")
    created_date = models.DateTimeField(editable=False)
    last_updated_date = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["-created_date"]

    def __str__(self) -> str:
        return str(self.id)


class Member(models.Model):
    """A document. Whoever is its `owner`, until its `lease` ends, works on it and nobody else."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, models.CASCADE, related_name="members", editable=False)
    position = models.PositiveIntegerField(editable=False, help_text="in the request, from 0")
    json_data = models.JSONField(editable=False)
    status = models.CharField(max_length=32, choices=Status.choices, default=Status.PENDING, editable=False)
    image_count = models.PositiveIntegerField(null=True, editable=False)
    error = models.TextField(blank=True, editable=False)
    created_date = models.DateTimeField(editable=False)
    last_updated_date = models.DateTimeField(editable=False)

    target = models.CharField(max_length=16, choices=TargetKind.choices, editable=False)
    place = models.CharField(
        max_length=600, editable=False, help_text="where its pages go: of members with the same one works one at a time"
    )
    by = models.CharField(max_length=200, blank=True, editable=False)
    title = models.CharField(max_length=500, blank=True, editable=False, help_text="of its collection")
    local = models.TextField(blank=True, editable=False, help_text="a file of the host that it was added on")
    credentials = models.TextField(blank=True, editable=False, help_text="the caller's, encrypted; gone at its end")
    document = models.CharField(max_length=64, blank=True, editable=False, help_text="sha256 of the PDF")
    rendering = models.CharField(max_length=100, blank=True, editable=False, help_text="how its pages are made")
    facts = models.JSONField(default=dict, editable=False, help_text="what the document says of itself")
    pages_total = models.PositiveIntegerField(null=True, editable=False)
    pages_done = models.PositiveIntegerField(default=0, editable=False)

    ended = models.BooleanField(default=False, editable=False, help_text="nothing more is done by itself")
    attempts = models.PositiveIntegerField(default=0, editable=False)
    sudden = models.PositiveIntegerField(
        default=0, editable=False, help_text="attempts in a row that ended without a word"
    )
    due = models.FloatField(default=0.0, editable=False)
    queued = models.FloatField(default=0.0, editable=False, help_text="when the queue was last told of it")
    owner = models.CharField(max_length=150, blank=True, editable=False)
    lease = models.FloatField(default=0.0, editable=False)

    class Meta:
        ordering = ["-created_date", "position"]
        indexes = [
            models.Index(fields=["collection", "position"]),
            models.Index(fields=["due"], condition=Q(ended=False), name="composites_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["place"], condition=~Q(owner=""), name="composites_one_at_a_place")
        ]

    def __str__(self) -> str:
        return str(self.id)


class Batch(models.Model):
    """Pages that are registered with the DLCS in one request. `uri` is what the DLCS calls it, once that is known."""

    class State(models.TextChoices):
        SENDING = "sending"
        UNKNOWN = "unknown"
        SENT = "sent"

    member = models.ForeignKey(Member, models.CASCADE, related_name="batches", editable=False)
    number = models.PositiveIntegerField(editable=False, help_text="in the order of the pages, from 0")
    first = models.PositiveIntegerField(default=0, editable=False, help_text="page")
    last = models.PositiveIntegerField(default=0, editable=False, help_text="page")
    json_data = models.JSONField(editable=False)
    uri = models.TextField(blank=True, editable=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.SENDING, editable=False)
    before = models.TextField(blank=True, editable=False, help_text="the batch that its first image was of before")
    created_date = models.DateTimeField(editable=False)
    last_updated_date = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["number"]
        verbose_name_plural = "batches"
        constraints = [models.UniqueConstraint(fields=["member", "number"], name="composites_batch_once")]

    def __str__(self) -> str:
        return self.uri or f"{self.member_id} {self.number}"


class Page(models.Model):
    """A page that is kept: as an object at `key`, or as the base `ident`."""

    member = models.ForeignKey(Member, models.CASCADE, related_name="pages", editable=False)
    number = models.PositiveIntegerField(editable=False, help_text="from 1")
    key = models.CharField(max_length=700, blank=True, editable=False)
    ident = models.CharField(max_length=64, blank=True, db_index=True, editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    bytes = models.BigIntegerField(editable=False)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["member", "number"], name="composites_page_once")]

    def __str__(self) -> str:
        return f"{self.member_id} {self.number}"
