"""The image cloud in Django's admin: to look at, to search, and to have tried again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from mezzotint.errors import MezzotintError
from mezzotint.imagecloud import deleting, leases, prefetching
from mezzotint.imagecloud.models import CloneRequest, PrefetchBatch, PrefetchItem, RemoteImage
from mezzotint.network.urls import parse_url
from mezzotint.repository.admin import ReadOnlyAdmin
from mezzotint.repository.links import picture


class RetryingAdmin(ReadOnlyAdmin):
    actions = ["try_again"]

    @admin.action(description="Try the dead ones again", permissions=["view"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        if self.may(request):
            self.message_user(request, f"{self.retry(chosen)} are tried again.")

    def retry(self, chosen: QuerySet[Any]) -> int:
        return leases.retry(chosen)


@admin.register(RemoteImage)
class RemoteImageAdmin(ReadOnlyAdmin):
    list_display = ["thumbnail", "url", "format", "width", "height", "bytes", "via", "fetched", "failures", "failure"]
    list_display_links = ["url"]
    list_filter = ["kept", "format", "via"]
    search_fields = ["url", "host", "ident", "failure"]
    date_hierarchy = "fetched"
    actions = ["delete_pictures"]

    @admin.display(description="")
    def thumbnail(self, image: RemoteImage) -> SafeString:
        address = picture(image.ident, "-fit80x80.jpg")
        return format_html('<img src="{}" alt="">', address) if image.ident else mark_safe("")

    @admin.action(description="Delete the pictures, here and on the peers", permissions=["view"])
    def delete_pictures(self, request: HttpRequest, chosen: QuerySet[RemoteImage]) -> None:
        if not self.may(request, "delete"):
            return
        count = 0
        for image in chosen:
            try:
                deleting.delete(parse_url(image.url))
                count += 1
            except MezzotintError as error:
                self.message_user(request, f"{image.url}: {error}", messages.ERROR)
        self.message_user(request, f"{count} were deleted.")


@admin.register(PrefetchItem)
class PrefetchItemAdmin(RetryingAdmin):
    list_display = ["url", "state", "attempts", "reason", "batch"]
    list_filter = ["state"]
    search_fields = ["url", "group", "batch__id"]

    def retry(self, chosen: QuerySet[Any]) -> int:
        return prefetching.retry(chosen)


@admin.register(PrefetchBatch)
class PrefetchBatchAdmin(ReadOnlyAdmin):
    list_display = ["id", "by", "at"]


@admin.register(CloneRequest)
class CloneRequestAdmin(RetryingAdmin):
    list_display = ["url", "group", "task", "state", "attempts", "reason"]
    list_filter = ["state", "task", "group"]
    search_fields = ["url", "ident", "group"]
