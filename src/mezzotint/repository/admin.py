"""Django's admin for the repository. What is saved here goes through a commit, as everything does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mezzotint.errors import GivenUp, InvalidInput, MezzotintError
from mezzotint.repository import filters, image_fields, metadata, services
from mezzotint.repository.api.auth import COMMIT, require
from mezzotint.repository.links import picture
from mezzotint.repository.models import Collection, Commit, Image, Removal, Snapshot, UpdateSession
from mezzotint.repository.spreadsheets.exporting import as_cell

_REFUSED = "mezzotint.refused"
_MOST_PAGED = 10_000


class BoundedPaginator(Paginator[Any]):
    """Counts no further than somebody will turn pages: counting a million takes as long as reading them."""

    @cached_property
    def count(self) -> int:
        chosen: Any = self.object_list
        return len(chosen.order_by().values_list("pk", flat=True)[:_MOST_PAGED])


class CommittingAdmin(admin.ModelAdmin[Any]):
    """An admin whose changes are sessions of their own; a refused one is told and nothing is changed."""

    def commit(self, request: HttpRequest, work: Callable[[UpdateSession], None]) -> None:
        try:
            require(request, COMMIT)
            services.at_once(request.user.get_username(), work)
        except MezzotintError as error:
            super().message_user(request, f"Nothing was changed: {error}", messages.ERROR)
            request.META[_REFUSED] = True

    def message_user(
        self, request: HttpRequest, message: Any, level: Any = messages.INFO, *args: Any, **kwargs: Any
    ) -> None:
        """Django tells of success whatever became of the saving."""
        if not request.META.get(_REFUSED):
            super().message_user(request, message, level, *args, **kwargs)

    def log_change(self, *args: Any, **kwargs: Any) -> Any:
        """The journal has the history."""

    log_addition = log_deletions = log_change

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.delete_queryset(request, self.model._default_manager.filter(pk=obj.pk))


class ImageForm(forms.ModelForm[Image]):
    """Edits are based on the version that the form showed."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput)
    tags = forms.CharField(required=False, help_text="separated by commas", max_length=10_000)

    class Meta:
        model = Image
        fields = list(metadata.FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version
        said = image_fields.values(self.instance, ("tags", *image_fields.own()))
        self.initial.update({name: as_cell(value) for name, value in said.items()})

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, field in image_fields.known().items():
            if name in image_fields.own() and name not in self.changed_data:
                continue
            try:
                cleaned[name] = field.clean(cleaned.get(name, ""))
            except MezzotintError as error:
                self.add_error(name, str(error))
        return cleaned


@admin.register(Image)
class ImageAdmin(CommittingAdmin):
    form = ImageForm
    list_display = ["thumbnail", "title", "creator", "captured", "format", "width", "height", "added"]
    list_display_links = ["thumbnail", "title"]
    list_filter = ["format", "collections"]
    search_fields = ["title"]
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    readonly_fields = ["preview", "ident", "width", "height", "format", "bytes", "added", "version", "exif"]

    @admin.display(description="")
    def thumbnail(self, image: Image) -> SafeString:
        return format_html('<img src="{}" alt="" loading="lazy">', picture(image.ident, "-fit120x120.jpg"))

    @admin.display(description="Picture")
    def preview(self, image: Image) -> SafeString:
        address, preview = picture(image.ident), picture(image.ident, "-fit600x600.jpg")
        return format_html('<a href="{}"><img src="{}" alt=""></a>', address, preview)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Image], search_term: str
    ) -> tuple[QuerySet[Image], bool]:
        try:
            return (filters.search(queryset, search_term) if search_term else queryset), False
        except (InvalidInput, GivenUp) as error:
            messages.warning(request, str(error))
            return queryset.none(), False

    def response_action(self, request: HttpRequest, queryset: QuerySet[Image], *args: Any) -> HttpResponse | None:
        """All that are found may be chosen, as far as they are counted."""
        if request.POST.get("select_across") == "1" and queryset.order_by()[_MOST_PAGED:].exists():
            self.message_user(request, f"These are more than {_MOST_PAGED:,}: search for less.", messages.ERROR)
            return None
        return super().response_action(request, queryset, *args)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # pictures come in by ingest and by the API

    @admin.display(description="Own fields")
    def own_fields(self, image: Image) -> str:
        said = image_fields.values(image, image_fields.own())
        return "; ".join(f"{name}: {as_cell(value)}" for name, value in said.items() if value)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        own = [] if self.has_change_permission(request, obj) else ["own_fields"]
        return [*self.readonly_fields, *own]

    def get_form(self, request: HttpRequest, obj: Any | None = None, change: bool = False, **kwargs: Any) -> Any:
        """With the installation's own fields."""
        own = {
            name: forms.CharField(
                required=False,
                label=field.label(),
                help_text=field.help,
                widget=AdminTextareaWidget({"rows": 4 if field.kind == "long" else 1}),
            )
            for name, field in image_fields.own().items()
            if self.has_change_permission(request, obj)
        }
        return super().get_form(request, obj, change, form=type("OwnImageForm", (ImageForm,), own), **kwargs)

    def save_model(self, request: HttpRequest, obj: Image, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in form.changed_data if name in image_fields.known()}
        version = form.cleaned_data["seen_version"]
        if fields:
            self.commit(request, lambda s: services.edit_image(s, obj.ident, version, fields))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Image]) -> None:
        idents = list(queryset.values_list("ident", flat=True))
        self.commit(request, lambda s: services.remove_images(s, idents))


class CollectionForm(forms.ModelForm[Collection]):
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Collection
        fields = ["slug", *(name for name in metadata.OF_COLLECTIONS if name != "ranges")]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["seen_version"] = self.instance.version if self.instance.pk else None


@admin.register(Collection)
class CollectionAdmin(CommittingAdmin):
    form = CollectionForm
    list_display = ["title", "slug", "version"]
    search_fields = ["title", "slug"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["slug"] if obj else []

    def save_model(self, request: HttpRequest, obj: Collection, form: Any, change: bool) -> None:
        fields = {k: v for k, v in form.cleaned_data.items() if k in metadata.OF_COLLECTIONS}
        slug = metadata.clean_slug(obj.slug)
        version = form.cleaned_data["seen_version"]
        self.commit(request, lambda s: services.put_collection(s, slug, fields, version))
        obj.pk = obj.pk or Collection.objects.filter(slug=slug).values_list("pk", flat=True).first()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Collection]) -> None:
        slugs = list(queryset.values_list("slug", flat=True))
        self.commit(request, lambda s: _each(services.remove_collection, s, slugs))


def _each(work: Callable[[UpdateSession, str], None], session: UpdateSession, keys: list[str]) -> None:
    for key in keys:
        work(session, key)


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """Of what nobody writes by hand."""

    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_add_permission = has_delete_permission = has_change_permission

    def may(self, request: HttpRequest, action: str = "change", model: type[Model] | None = None) -> bool:
        """With rows of `model`, or of one's own."""
        about = model._meta if model is not None else self.opts
        if request.user.has_perm(f"{about.app_label}.{action}_{about.model_name}"):
            return True
        self.message_user(request, f"You may look, and not {action} anything.", messages.ERROR)
        return False


@admin.register(Commit)
class CommitAdmin(ReadOnlyAdmin):
    list_display = ["seq", "at", "by", "added", "edited", "removed", "collections", "note"]


@admin.register(UpdateSession)
class UpdateSessionAdmin(ReadOnlyAdmin):
    list_display = ["id", "state", "opened", "by", "note", "seq"]
    list_filter = ["state"]


@admin.register(Removal)
class RemovalAdmin(ReadOnlyAdmin, CommittingAdmin):
    list_display = ["ident", "at", "by", "seq"]
    search_fields = ["ident"]
    actions = ["bring_back"]

    @admin.action(description="Bring the selected images back")
    def bring_back(self, request: HttpRequest, queryset: QuerySet[Removal]) -> None:
        if not self.may(request, "add", Image):
            return
        idents = list(queryset.values_list("ident", flat=True))
        self.commit(request, lambda s: _each(services.bring_back, s, idents))
        self.message_user(request, f"{len(idents)} images are back.")


@admin.register(Snapshot)
class SnapshotAdmin(ReadOnlyAdmin):
    list_display = ["asked", "state", "seq", "bytes", "by", "error"]
