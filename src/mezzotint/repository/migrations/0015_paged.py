"""Collections that are a document's pages: which document, and its headings."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("repository", "0014_custom")]
    operations = [
        migrations.AddField(
            "collection",
            "document",
            models.CharField(
                blank=True, default="", help_text="the SHA-256 of the PDF that its pages are of", max_length=64
            ),
        ),
        migrations.AddField(
            "collection",
            "ranges",
            models.JSONField(blank=True, default=list, editable=False, help_text="its headings, in order"),
        ),
    ]
