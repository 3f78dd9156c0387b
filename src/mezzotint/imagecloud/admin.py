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
from mezzotint.repository.links import picture
from mezzotint.repository.looking import LookingAdmin


class RetryingAdmin(LookingAdmin):
    actions = ["try_again"]

    @admin.action(description="Try the dead ones again", permissions=["view"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        if not request.user.has_perm(f"imagecloud.change_{self.opts.model_name}"):
            self.message_user(request, "You may look, and not change anything.", messages.ERROR)
            return
        self.message_user(request, f"{self.retry(chosen)} are tried again.")

    def retry(self, chosen: QuerySet[Any]) -> int:
        return leases.retry(chosen)


@admin.register(RemoteImage)
class RemoteImageAdmin(LookingAdmin):
    list_display = ["thumbnail", "url", "format", "width", "height", "bytes", "via", "fetched", "failures", "failure"]
    list_display_links = ["url"]
    list_filter = ["kept", "format", "via"]
    search_fields = ["url", "host", "ident", "failure"]
    date_hierarchy = "fetched"
    show_full_result_count = False
    actions = ["delete_pictures"]

    @admin.display(description="")
    def thumbnail(self, image: RemoteImage) -> SafeString:
        return (
            format_html('<img src="{}" alt="">', picture(image.ident, "-fit80x80.jpg"))
            if image.ident
            else mark_safe("")
        )

    @admin.action(description="Delete the pictures, here and on the peers", permissions=["view"])
    def delete_pictures(self, request: HttpRequest, chosen: QuerySet[RemoteImage]) -> None:
        if not request.user.has_perm("imagecloud.delete_remoteimage"):
            self.message_user(request, "You may look, and not delete anything.", messages.ERROR)
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
    show_full_result_count = False

    def retry(self, chosen: QuerySet[Any]) -> int:
        return prefetching.retry(chosen)


@admin.register(PrefetchBatch)
class PrefetchBatchAdmin(LookingAdmin):
    list_display = ["id", "by", "at"]


@admin.register(CloneRequest)
class CloneRequestAdmin(RetryingAdmin):
    list_display = ["url", "group", "task", "state", "attempts", "reason"]
    list_filter = ["state", "task", "group"]
    search_fields = ["url", "ident", "group"]
    show_full_result_count = False
