"""Words are found however their letters are written, file names and alternative texts too. The index of them is made by
0014, as each that comes after this one would make it anew."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("repository", "0006_described")]
    operations = []
