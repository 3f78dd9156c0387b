"""Composites in Django's admin: to look at, to try again, to cancel."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from mezzotint.composites import receiving
from mezzotint.composites.models import Batch, Collection, Member, Page
from mezzotint.errors import Conflict
from mezzotint.repository.admin import ReadOnlyAdmin
from mezzotint.repository.links import picture

_MOST_THUMBNAILS = 60


class MemberLines(admin.TabularInline[Member, Collection]):
    model = Member
    fields = readonly_fields = ("id", "status", "pages_done", "pages_total", "error")
    show_change_link = True
    extra = 0


class BatchLines(admin.TabularInline[Batch, Member]):
    model = Batch
    fields = readonly_fields = ("number", "state", "uri", "created_date", "last_updated_date")
    extra = 0


@admin.register(Collection)
class CollectionAdmin(ReadOnlyAdmin):
    list_display = ["id", "customer", "created_date", "last_updated_date"]
    search_fields = ["id", "customer"]
    date_hierarchy = "created_date"
    inlines = [MemberLines]


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin):
    list_display = ["id", "status", "progress", "attempts", "error", "collection", "created_date", "last_updated_date"]
    list_filter = ["status", "target"]
    search_fields = ["id", "place", "error"]
    date_hierarchy = "created_date"
    exclude = ["credentials"]
    readonly_fields = ["progress", "thumbnails"]
    inlines = [BatchLines]
    actions = ["try_again", "cancel"]

    @admin.display(description="pages")
    def progress(self, member: Member) -> str:
        return f"{member.pages_done} of {'?' if member.pages_total is None else member.pages_total}"

    @admin.display(description="pages that are here")
    def thumbnails(self, member: Member) -> SafeString:
        pages = Page.objects.filter(member=member).exclude(ident="").order_by("number")[:_MOST_THUMBNAILS]
        return format_html_join(
            " ",
            '<img src="{}" alt="page {}" title="page {}">',
            ((picture(page.ident, "-fit100x100.jpg"), page.number, page.number) for page in pages),
        ) or mark_safe("-")

    @admin.action(description="Try again what has failed", permissions=["view"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[Member]) -> None:
        if self.may(request):
            count = receiving.retry(chosen)
            self.message_user(request, f"{count} are tried again.")

    @admin.action(description="Cancel", permissions=["view"])
    def cancel(self, request: HttpRequest, chosen: QuerySet[Member]) -> None:
        if not self.may(request):
            return
        count = 0
        for member in chosen:
            try:
                receiving.cancel(member)
                count += 1
            except Conflict:
                self.message_user(request, f"{member.pk} is completed.", messages.WARNING)
        self.message_user(request, f"{count} were cancelled.")
