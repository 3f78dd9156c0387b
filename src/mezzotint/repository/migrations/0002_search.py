"""Full-text search: an FTS5 table that triggers keep in step with the images, however they are written.

A later migration that makes SQLite rebuild `repository_image` drops the triggers: it has to make them again.
"""

from django.db import migrations

_COLUMNS = "title, description, creator, rights, source, tags"
_NEW = ", ".join(f"new.{name}" for name in _COLUMNS.split(", "))
_OLD = ", ".join(f"old.{name}" for name in _COLUMNS.split(", "))
_ADD = f"INSERT INTO repository_image_search (rowid, {_COLUMNS}) VALUES (new.id, {_NEW});"
_REMOVE = (
    "INSERT INTO repository_image_search (repository_image_search, rowid, "
    f"{_COLUMNS}) VALUES ('delete', old.id, {_OLD});"
)


class Migration(migrations.Migration):
    dependencies = [("repository", "0001_initial")]
    operations = [
        migrations.RunSQL(
            [
                "CREATE VIRTUAL TABLE repository_image_search USING fts5("
                f"{_COLUMNS}, content = 'repository_image', content_rowid = 'id', "
                "tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')",
                f"CREATE TRIGGER repository_image_search_add AFTER INSERT ON repository_image BEGIN {_ADD} END",
                f"CREATE TRIGGER repository_image_search_remove AFTER DELETE ON repository_image BEGIN {_REMOVE} END",
                "CREATE TRIGGER repository_image_search_change AFTER UPDATE ON repository_image "
                f"BEGIN {_REMOVE} {_ADD} END",
            ],
            [
                "DROP TRIGGER repository_image_search_add",
                "DROP TRIGGER repository_image_search_remove",
                "DROP TRIGGER repository_image_search_change",
                "DROP TABLE repository_image_search",
            ],
        )
    ]
