"""Committing wants a permission of its own, `add_commit`: whoever could commit until now has it."""

from django.db import migrations
from django.db.models import Q

_COULD = Q(content_type__app_label="repository") & Q(
    codename__in=[f"{verb}_{what}" for verb in ("add", "change", "delete") for what in ("image", "collection")]
)


def _grant(apps, schema_editor):
    permissions = apps.get_model("auth", "Permission").objects
    commit = permissions.filter(content_type__app_label="repository", codename="add_commit").first()
    if commit is None:  # a database without anybody
        return
    could = permissions.filter(_COULD)
    staff = apps.get_model("auth", "User").objects.filter(is_staff=True)
    by_themselves, by_group = Q(user_permissions__in=could), Q(groups__permissions__in=could)
    for user in staff.filter(by_themselves | by_group).distinct():  # nobody else could, whatever their groups have
        user.user_permissions.add(commit)


class Migration(migrations.Migration):
    dependencies = [("repository", "0007_folded"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(_grant, migrations.RunPython.noop)]
