"""What the API sends and takes. The rules for values are in `metadata`."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from mezzotint.repository import metadata
from mezzotint.repository.links import picture
from mezzotint.repository.models import Collection, Commit, Image, Removal, SessionChange, Snapshot, UpdateSession


class ImageSerializer(serializers.ModelSerializer[Image]):
    collections: serializers.SlugRelatedField[Collection] = serializers.SlugRelatedField(
        many=True, read_only=True, slug_field="slug"
    )
    url = serializers.SerializerMethodField(help_text="the base, byte for byte")
    thumbnail = serializers.SerializerMethodField()

    class Meta:
        model = Image
        fields = [
            "ident", *metadata.FIELDS, "custom", "exif", "width", "height", "format", "bytes", "added", "version",
            "collections", "url", "thumbnail",
        ]  # fmt: skip

    def get_url(self, image: Image) -> str:
        return picture(image.ident)

    def get_thumbnail(self, image: Image) -> str:
        return picture(image.ident, "-fit400x400.jpg")


class MetadataSerializer(serializers.Serializer[Any]):
    """The editable fields of an image."""

    custom = serializers.DictField(
        required=False,
        help_text="the installation's own fields, MEZZOTINT_FIELDS; one that is not named stays as it is",
    )

    def get_fields(self) -> dict[str, Any]:
        return {name: _field(name) for name in metadata.FIELDS} | super().get_fields()


class RangeSerializer(serializers.Serializer[Any]):
    label = serializers.CharField(max_length=500)  # type: ignore[assignment]
    ident = serializers.CharField(max_length=64, help_text="the picture where it begins")
    level = serializers.IntegerField(min_value=1, max_value=metadata.MAX_LEVEL, default=1)


def _field(name: str) -> serializers.Field[Any, Any, Any, Any]:
    """As the schema shows it; `metadata` checks what is sent."""
    field = metadata.OF_COLLECTIONS.get(name) or metadata.FIELDS[name]
    if field.many:
        tag = serializers.CharField(max_length=metadata.MAX_TAG)
        return serializers.ListField(child=tag, required=False, max_length=metadata.MAX_TAGS, help_text=field.help)
    if name == "ranges":
        return serializers.ListField(child=RangeSerializer(), required=False, max_length=metadata.MAX_RANGES)
    if field.words:
        return serializers.ChoiceField(field.words, required=False, allow_blank=True)
    return serializers.CharField(required=False, max_length=field.limit, help_text=field.help)


class EditSerializer(MetadataSerializer):
    version = serializers.IntegerField(min_value=1, help_text="the version that the edit is based on")


class UploadSerializer(MetadataSerializer):
    file = serializers.FileField(help_text="the picture; may be given several times")
    collection = serializers.CharField(
        required=False, help_text="name of a collection to join; may be given several times"
    )


class SessionChangeSerializer(serializers.ModelSerializer[SessionChange]):
    class Meta:
        model = SessionChange
        fields = ["kind", "key", "fields", "seen_version"]


class SessionSerializer(serializers.ModelSerializer[UpdateSession]):
    class Meta:
        model = UpdateSession
        fields = ["id", "state", "opened", "by", "note", "seq"]
        read_only_fields = ["state", "opened", "by", "seq"]


class CommitSerializer(serializers.ModelSerializer[Commit]):
    class Meta:
        model = Commit
        fields = ["seq", "transaction", "at", "by", "note", "added", "edited", "removed", "collections"]


class EventSerializer(CommitSerializer):
    what = serializers.ChoiceField(["new", "described", "removed", "filled"])
    fields = serializers.DictField(help_text="those that it set: `was` and `is`")  # type: ignore[assignment]
    joined = serializers.ListField(child=serializers.CharField(), help_text="collections of an image, or idents of one")
    left = serializers.ListField(child=serializers.CharField())

    class Meta(CommitSerializer.Meta):
        fields = [*CommitSerializer.Meta.fields, "what", "fields", "joined", "left"]


class HistorySerializer(serializers.Serializer[Any]):
    results = EventSerializer(many=True)
    before = serializers.IntegerField(allow_null=True, help_text="to go on with; null at the end")
    untraced = serializers.IntegerField(help_text="what was committed up to here is still being looked through; or 0")


class UndoneSerializer(SessionSerializer):
    kept = serializers.ListField(child=serializers.CharField(), help_text="what stays as it is, and why")

    class Meta(SessionSerializer.Meta):
        fields = [*SessionSerializer.Meta.fields, "kept"]


class CollectionSerializer(serializers.ModelSerializer[Collection]):
    class Meta:
        model = Collection
        fields = ["slug", *metadata.OF_COLLECTIONS, "version"]


class CollectionInputSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField(required=False, help_text="made from the title where it is left out")
    images = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="all of its idents in order"
    )
    version = serializers.IntegerField(required=False, min_value=1, help_text="needed to change one that exists")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {name: _field(name) for name in metadata.OF_COLLECTIONS}


class MembersSerializer(serializers.Serializer[Any]):
    add = serializers.ListField(child=serializers.CharField(), required=False, help_text="idents; what is in it stays")
    move = serializers.ListField(child=serializers.CharField(), required=False)
    remove = serializers.ListField(child=serializers.CharField(), required=False)
    before = serializers.CharField(required=False, help_text="the ident that added and moved ones go before")
    after = serializers.CharField(required=False, help_text="likewise; without either they go to the end")


class OneOfManySerializer(EditSerializer):
    ident = serializers.CharField()


class ManySerializer(serializers.Serializer[Any]):
    """Each on its own, or all alike."""

    images = OneOfManySerializer(many=True, required=False)
    idents = serializers.ListField(child=serializers.CharField(), required=False)
    set = MetadataSerializer(required=False)
    add_tags = serializers.ListField(child=serializers.CharField(), required=False)
    remove_tags = serializers.ListField(child=serializers.CharField(), required=False)


class DescribedSerializer(serializers.Serializer[Any]):
    described = serializers.IntegerField(help_text="how many were changed by it")
    commit = CommitSerializer(required=False, help_text="not where a session has it")


class RemovalSerializer(serializers.ModelSerializer[Removal]):
    class Meta:
        model = Removal
        fields = ["ident", "state", "seq", "at", "by"]


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    class Meta:
        model = Snapshot
        fields = ["id", "state", "by", "asked", "seq", "key", "bytes", "error"]


class StatusSerializer(serializers.Serializer[Any]):
    version = serializers.CharField()
    live = serializers.IntegerField(help_text="the last commit that this database shows")
    durable = serializers.IntegerField(
        help_text="the last commit that the journal holds; null where the store does not answer", allow_null=True
    )
    waiting = serializers.BooleanField(
        help_text="whether something was changed in the database, a user say, that is not durable yet"
    )
    read_only = serializers.BooleanField(help_text="whether nothing may be written here")  # type: ignore[assignment]
    alarm = serializers.CharField(help_text="why that is so, and what to do; empty on a read node")
    lag = serializers.FloatField(
        help_text="seconds since a read node last saw the journal's end; null elsewhere", allow_null=True
    )
    checkpoint = serializers.IntegerField(help_text="the commit of the newest checkpoint", allow_null=True)
    images = serializers.IntegerField()
    collections = serializers.IntegerField()
    open_sessions = serializers.IntegerField()
    cache_files = serializers.IntegerField()
    cache_bytes = serializers.IntegerField()
    cache_max_bytes = serializers.IntegerField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = serializers.ListField(child=serializers.DictField(), required=False)  # type: ignore[assignment]
    conflicts = serializers.DictField(required=False)


def page_of(serializer: type[serializers.BaseSerializer[Any]]) -> type[serializers.Serializer[Any]]:
    """A page's shape, for the schema."""
    name = serializer.__name__.removesuffix("Serializer")
    beside = {way: serializers.URLField(allow_null=True) for way in ("next", "previous")}
    fields = {"results": serializer(many=True)} | beside | {"count": serializers.IntegerField(required=False)}
    return type(f"{name}PageSerializer", (serializers.Serializer,), fields)
