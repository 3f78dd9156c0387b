"""Fields of an installation's own, their values with an index (on SQLite a table that triggers keep in step), and the
index of words, theirs among them."""

from django.db import migrations, models

from mezzotint.repository import fulltext

_SQLITE = (
    "CREATE TABLE repository_image_custom (name TEXT NOT NULL, value TEXT NOT NULL, image_id INTEGER NOT NULL, "
    "PRIMARY KEY (name, value, image_id)) WITHOUT ROWID"
)
_POSTGRESQL = "CREATE INDEX repository_image_custom ON repository_image USING gin (custom jsonb_path_ops)"


def _index(apps, schema_editor):
    schema_editor.execute(_SQLITE if schema_editor.connection.vendor == "sqlite" else _POSTGRESQL, params=None)


def _refill(apps, schema_editor):
    """Tags too: a database that was restored until now had none of them in their index."""
    fulltext.refill(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("repository", "0013_nested")]
    operations = [
        migrations.AddField(
            "image",
            "custom",
            models.JSONField(blank=True, default=dict, editable=False, help_text="the installation's own fields"),
        ),
        migrations.RunPython(_index, migrations.RunPython.noop),
        migrations.RunPython(_refill, migrations.RunPython.noop),
    ]
