from django.db import migrations, models

MAKE = """
CREATE VIEW clone_requests AS
SELECT id, "group" AS peer, task, key, url, ident, state, attempts, reason
FROM imagecloud_clonerequest WHERE state IN ('waiting', 'running')
"""


class Migration(migrations.Migration):
    """The view is for who counts what is still to be sent."""

    dependencies = [("imagecloud", "0002_requests")]

    operations = [
        migrations.AddField(
            model_name="prefetchitem",
            name="from_peers",
            field=models.BooleanField(default=False, help_text="the peers are asked first"),
        ),
        migrations.RunSQL(MAKE, "DROP VIEW clone_requests"),
    ]
