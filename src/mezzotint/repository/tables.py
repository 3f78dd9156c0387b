"""Tables of what this database knows by itself: what is derived from the journal or from pictures, and made again where
it is lost, and whom it has told of what."""

from __future__ import annotations

from django.db import models


class Trace(models.Model):
    """That a commit had to do with an image or a collection, which has a number for it. Derived from the journal."""

    pk = models.CompositePrimaryKey("about", "seq")
    about = models.BigIntegerField()
    seq = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.about} in {self.seq}"


class Look(models.Model):
    """What an image looks like, as `looks` has it. Made again where it is lost."""

    image = models.OneToOneField("repository.Image", on_delete=models.CASCADE, primary_key=True, related_name="look")
    likeness = models.BigIntegerField(null=True)
    placeholder = models.TextField()

    def __str__(self) -> str:
        return str(self.pk)


class LookBand(models.Model):
    """A part of an image's likeness."""

    pk = models.CompositePrimaryKey("value", "image_id")
    value = models.IntegerField()
    image = models.ForeignKey("repository.Image", on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return str(self.value)


class Webhook(models.Model):
    """Who is told of commits, and up to which one they have been."""

    url = models.TextField(unique=True)
    told = models.BigIntegerField()
    failures = models.PositiveIntegerField(default=0)
    again = models.DateTimeField(null=True)
    leased = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return self.url
