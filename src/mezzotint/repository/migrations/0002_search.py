"""Full-text search: on SQLite an FTS5 table that triggers keep in step with the images, however
they are written; on PostgreSQL an index over a function of the row.

A later migration that makes SQLite rebuild `repository_image` drops the triggers: `fulltext.install` makes them again.
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
_SQLITE = [
    "CREATE VIRTUAL TABLE repository_image_search USING fts5("
    f"{_COLUMNS}, content = 'repository_image', content_rowid = 'id', "
    "tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')",
    f"CREATE TRIGGER repository_image_search_add AFTER INSERT ON repository_image BEGIN {_ADD} END",
    f"CREATE TRIGGER repository_image_search_remove AFTER DELETE ON repository_image BEGIN {_REMOVE} END",
    f"CREATE TRIGGER repository_image_search_change AFTER UPDATE ON repository_image BEGIN {_REMOVE} {_ADD} END",
]
_SQLITE_BACK = [
    "DROP TRIGGER repository_image_search_add",
    "DROP TRIGGER repository_image_search_remove",
    "DROP TRIGGER repository_image_search_change",
    "DROP TABLE repository_image_search",
]
# Words are told apart by what is neither letter nor digit, and lose their accents, as FTS5's unicode61 has it.
_POSTGRESQL = [
    r"""
    CREATE FUNCTION repository_search_words(variadic texts text[]) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT to_tsvector('simple', regexp_replace(
            regexp_replace(normalize(array_to_string(texts, ' '), NFKD), '[\u0300-\u036f]', '', 'g'),
            '[^[:alnum:]]+', ' ', 'g'))
    $$""",
    "CREATE INDEX repository_image_search ON repository_image USING gin (repository_search_words("
    "title, description, creator, rights, source, tags::text))",
]
_POSTGRESQL_BACK = ["DROP INDEX repository_image_search", "DROP FUNCTION repository_search_words"]


def _run(on_sqlite, on_postgresql):
    def run(apps, schema_editor):
        statements = on_sqlite if schema_editor.connection.vendor == "sqlite" else on_postgresql
        for statement in statements:
            schema_editor.execute(statement, params=None)

    return run


class Migration(migrations.Migration):
    dependencies = [("repository", "0001_initial")]
    operations = [migrations.RunPython(_run(_SQLITE, _POSTGRESQL), _run(_SQLITE_BACK, _POSTGRESQL_BACK))]
