"""The table of fields, and what derives from it."""

from __future__ import annotations

import pytest
from rest_framework.serializers import CharField

from mezzotint.errors import InvalidInput
from mezzotint.repository import image_fields, metadata, queries
from mezzotint.repository.api.serializers import CollectionInputSerializer, ImageSerializer, MetadataSerializer
from mezzotint.repository.models import Collection, Image
from mezzotint.settings.parsing import parse_flag


def test_every_field_is_a_column_is_documented_and_sent() -> None:
    columns = {field.name for field in Image._meta.get_fields()}
    assert set(metadata.FIELDS) <= columns
    assert set(MetadataSerializer().fields) == {*metadata.FIELDS, "custom"}
    assert {*metadata.FIELDS, "custom"} <= set(ImageSerializer().fields)
    assert set(metadata.OF_COLLECTIONS) <= {field.name for field in Collection._meta.get_fields()}
    assert set(CollectionInputSerializer().fields) == {*metadata.OF_COLLECTIONS, "slug", "images", "version"}
    searched = {"title", "description", "creator", "rights", "source", "tags", "alt", "licence", "file_name"}
    assert set(metadata.SEARCHED) == searched, "as the last migration that rebuilds the index has it"
    assert queries.ORDERINGS == ("added", "title", "captured", "bytes", "width", "height")


@pytest.mark.parametrize("name", metadata.TEXT_LIMITS)
def test_a_limit_that_is_documented_is_the_one_that_holds(name: str) -> None:
    field = MetadataSerializer().fields[name]
    assert isinstance(field, CharField) and field.max_length is not None
    limit = field.max_length
    assert image_fields.clean({name: "x" * limit}) == {name: "x" * limit}
    with pytest.raises(InvalidInput, match=f"up to {limit} characters"):
        image_fields.clean({name: "x" * (limit + 1)})


@pytest.mark.parametrize("given", ["true", "1", "yes", "on", "y", "ok", "", " TRUE ", True])
def test_what_means_yes_in_one_request_does_in_all(given: object) -> None:
    assert parse_flag("only_here", given) is True


@pytest.mark.parametrize("given", ["false", "0", "no", "off", "n", "No", False])
def test_what_means_no_in_one_request_does_in_all(given: object) -> None:
    assert parse_flag("only_here", given) is False


@pytest.mark.parametrize("given", ["perhaps", "2", None, [], "tru"])
def test_what_is_neither_names_the_field(given: object) -> None:
    with pytest.raises(InvalidInput, match="only_here"):
        parse_flag("only_here", given)
