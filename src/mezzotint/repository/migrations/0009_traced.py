"""Which commits had to do with what. For what was committed until now that is found out in the background."""

from django.db import migrations, models
from django.db.models import Max


def _all_is_untraced(apps, schema_editor):
    last = apps.get_model("repository", "Commit").objects.aggregate(last=Max("seq"))["last"]
    installations = apps.get_model("repository", "Installation").objects
    if last:
        mine = installations.order_by("pk").first() or installations.create(pk=1)
        installations.filter(pk=mine.pk).update(traced=last)


class Migration(migrations.Migration):
    dependencies = [("repository", "0008_committers")]
    operations = [
        migrations.CreateModel(
            name="Trace",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "about", "seq", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("about", models.BigIntegerField()),
                ("seq", models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            "installation",
            "traced",
            models.BigIntegerField(default=0, help_text="the last commit whose traces are still to be made"),
        ),
        migrations.RunPython(_all_is_untraced, migrations.RunPython.noop),
    ]
