"""This database's own tables: none of them is journaled.

What is known of remote images is read again from their records; the queues are promises of this installation.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class RemoteImage(models.Model):
    """A picture by its address, as the last notes have it. Delivery goes by the records, and never asks here."""

    key = models.CharField(max_length=64, unique=True, editable=False, help_text="sha256 of the canonical URL")
    url = models.TextField(editable=False)
    host = models.CharField(max_length=255, db_index=True, editable=False)
    ident = models.CharField(max_length=64, blank=True, db_index=True, editable=False)
    kept = models.BooleanField(default=False, editable=False, help_text="in the object store, not only in the cache")
    format = models.CharField(max_length=8, blank=True, editable=False)
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)
    bytes = models.BigIntegerField(null=True, editable=False)
    via = models.CharField(max_length=100, blank=True, editable=False, help_text="origin, peer:<name> or clone")
    fetched = models.DateTimeField(null=True, db_index=True, editable=False)
    checked = models.DateTimeField(null=True, editable=False)
    expires = models.DateTimeField(null=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="since it last answered")
    failure = models.TextField(blank=True, editable=False)
    failed = models.DateTimeField(null=True, editable=False)
    request = models.CharField(
        max_length=128, blank=True, editable=False, help_text="id of the request that it was fetched for"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.url


class Job(models.Model):
    """Something to be done by one of several workers. Moments are in seconds since the epoch."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        DEAD = "dead"

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due = models.FloatField(default=0.0)
    owner = models.CharField(max_length=100, blank=True)
    lease = models.FloatField(default=0.0, help_text="until when nobody else does it")
    reason = models.TextField(blank=True, help_text="why it has not worked so far")
    request = models.CharField(max_length=128, blank=True, help_text="id of the request that it was queued for")

    class Meta:
        abstract = True


class PrefetchBatch(models.Model):
    """A list of URLs that somebody wants to have here."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    by = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at"]
        verbose_name_plural = "prefetch batches"

    def __str__(self) -> str:
        return str(self.id)


class PrefetchItem(Job):
    batch = models.ForeignKey(PrefetchBatch, on_delete=models.CASCADE, related_name="items")
    url = models.TextField()
    group = models.CharField(max_length=255, help_text="the host: no group keeps another waiting")
    from_peers = models.BooleanField(default=False, help_text="the peers are asked first")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["state", "group", "due", "id"]),
            models.Index(fields=["batch", "state"]),
            models.Index(fields=["state", "lease"]),
        ]

    def __str__(self) -> str:
        return self.url


class CloneRequest(Job):
    """One image waiting to be copied to one peer; afterwards, that it is there; in the end, to be deleted there.

    The view `clone_requests` has those that are still to be done: whoever changes this table drops it before, and makes
    it again (SQLite renames tables, PostgreSQL refuses to change a column that a view shows).
    """

    class Task(models.TextChoices):
        COPY = "copy"
        DELETE = "delete"

    group = models.CharField(max_length=100, help_text="the peer's name")
    task = models.CharField(max_length=10, choices=Task.choices, default=Task.COPY)
    key = models.CharField(max_length=64)
    url = models.TextField()
    ident = models.CharField(max_length=64)
    holder = models.CharField(max_length=60, blank=True, help_text="the host that alone has it, where it is not kept")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["key", "group"], name="one_clone_a_peer")]
        indexes = [models.Index(fields=["state", "group", "due", "id"]), models.Index(fields=["state", "lease"])]

    def __str__(self) -> str:
        return f"{self.task} {self.url} ({self.group})"


class Indexed(models.Model):
    """Has a row where this database knows of every record that the store had when it began."""

    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.at)


class DeletedBase(models.Model):
    """A base that no URL leads to any more. It lies in the trash; or, where another picture has taken its place at
    its URL (`superseded`), it stays for a grace first."""

    ident = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(default=timezone.now)
    superseded = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.ident
