"""For a million images: tags have an index (on SQLite a table that triggers keep in step with the images, however they
are written), and creators are found whatever their case.

A later migration that makes SQLite rebuild `repository_image` drops the triggers: `fulltext.install` makes them again.
"""

from django.db import migrations, models
from django.db.models.functions import Lower

_INSERT = (
    "INSERT OR IGNORE INTO repository_image_tag (value, image_id) "
    "SELECT CAST(tag.value AS TEXT), {0}.id FROM json_each({0}.tags) AS tag;"
)
_DELETE = (
    "DELETE FROM repository_image_tag WHERE image_id = old.id "
    "AND value IN (SELECT CAST(tag.value AS TEXT) FROM json_each(old.tags) AS tag);"
)
_ON = "CREATE TRIGGER repository_image_tag_{} AFTER {} ON repository_image BEGIN {} END"
_SQLITE = [
    "CREATE TABLE repository_image_tag (value TEXT NOT NULL, image_id INTEGER NOT NULL, "
    "PRIMARY KEY (value, image_id)) WITHOUT ROWID",
    "INSERT OR IGNORE INTO repository_image_tag (value, image_id) "
    "SELECT CAST(tag.value AS TEXT), i.id FROM repository_image AS i, json_each(i.tags) AS tag",
    _ON.format("add", "INSERT", _INSERT.format("new")),
    _ON.format("remove", "DELETE", _DELETE),
    _ON.format("change", "UPDATE OF id, tags", _DELETE + _INSERT.format("new")),
]
_SQLITE_BACK = [
    *(f"DROP TRIGGER repository_image_tag_{name}" for name in ("add", "remove", "change")),
    "DROP TABLE repository_image_tag",
]
_POSTGRESQL = ["CREATE INDEX repository_image_tags ON repository_image USING gin (tags jsonb_path_ops)"]
_POSTGRESQL_BACK = ["DROP INDEX repository_image_tags"]


def _run(on_sqlite, on_postgresql):
    def run(apps, schema_editor):
        statements = on_sqlite if schema_editor.connection.vendor == "sqlite" else on_postgresql
        for statement in statements:
            schema_editor.execute(statement, params=None)

    return run


class Migration(migrations.Migration):
    dependencies = [("repository", "0003_durable")]
    operations = [
        migrations.AddIndex("image", models.Index(Lower("creator"), name="repository_image_creator")),
        migrations.AddField("commit", "collections", models.PositiveIntegerField(default=0)),
        migrations.RunPython(_run(_SQLITE, _POSTGRESQL), _run(_SQLITE_BACK, _POSTGRESQL_BACK)),
    ]
