"""Dates are spans: of each its first and last moment, as texts that sort."""

from django.db import migrations, models

from mezzotint.repository import dates

_CHUNK = 2000


def _fill(apps, schema_editor):
    """Where there is one: some seconds for a hundred thousand."""
    images = apps.get_model("repository", "Image").objects
    applying = apps.get_model("repository", "Applying").objects
    silent = applying.create()  # nothing of it is to be committed
    last = 0
    while some := list(images.filter(pk__gt=last).exclude(captured="").only("captured").order_by("pk")[:_CHUNK]):
        last, known = some[-1].pk, [image for image in some if _span(image)]
        images.bulk_update(known, ["captured_first", "captured_last"], batch_size=250)
    silent.delete()


def _span(image):
    try:
        image.captured_first, image.captured_last = dates.span(image.captured)
    except ValueError:
        return False
    return True


class Migration(migrations.Migration):
    dependencies = [("repository", "0009_traced")]
    operations = [
        *(
            migrations.AddField(
                "image", f"captured_{end}", models.CharField(blank=True, default="", editable=False, max_length=32)
            )
            for end in ("first", "last")
        ),
        migrations.AlterField(
            "image",
            "captured",
            models.CharField(blank=True, help_text="a date or a span, as EDTF has it", max_length=32),
        ),
        migrations.RunPython(_fill, migrations.RunPython.noop),
        migrations.RemoveIndex("image", "repository__capture_7dc659_idx"),
        migrations.AddIndex(
            "image", models.Index(fields=["captured_first", "ident"], name="repository__capture_7df352_idx")
        ),
        migrations.AddIndex("image", models.Index(fields=["captured_last"], name="repository__capture_381b61_idx")),
    ]
