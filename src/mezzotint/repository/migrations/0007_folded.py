"""Words are found however their letters are written, file names and alternative texts too: the index is made again."""

from django.db import migrations

from mezzotint.repository import fulltext


def _rebuild(apps, schema_editor):
    fulltext.rebuild(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("repository", "0006_described")]
    operations = [migrations.RunPython(_rebuild, migrations.RunPython.noop)]
