"""Takes items in with Label Studio: its import API, in process (no socket), on a local SQLite file."""

import json
import os
import shutil
import sys
from pathlib import Path

from p12_rows import items, seal
from speak import serve

STATE = {}
CONFIG = (
    '<View><Header value="$prompt"/><Text name="text" value="$content"/>'
    '<Choices name="choice" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>'
)


def prepare(folder, count):
    """Start the application, make its data base and a user, and the body that comes in."""
    home = Path(folder)
    quiet = {"COLLECT_ANALYTICS": "0", "LATEST_VERSION_CHECK": "0", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}
    levels = {"LOG_LEVEL": "ERROR", "DEBUG": "0", "LABEL_STUDIO_BASE_DATA_DIR": str(home)}
    os.environ.update(quiet | levels | {"DJANGO_SETTINGS_MODULE": "label_studio.core.settings.label_studio"})
    import label_studio

    sys.path.insert(0, str(Path(label_studio.__file__).parent))
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", "--no-color", verbosity=0)
    from organizations.models import Organization
    from users.models import User

    user = User.objects.create_user(email="one@example.org", password="a long enough sentence")
    organization = Organization.create_organization(created_by=user, title="Bench")
    user.active_organization = organization
    user.save()
    _close()
    shutil.copy(_path(), home / "pristine.sqlite3")
    rows = [{"data": each} for each in items(count)]
    STATE.update(home=home, body=json.dumps(rows, ensure_ascii=False).encode())


def _path():
    from django.conf import settings

    return settings.DATABASES["default"]["NAME"]


def _close():
    from django.db import connections

    connections.close_all()


def begin():
    """The data base as it was, and a fresh project in it."""
    from projects.models import Project
    from rest_framework.test import APIClient
    from users.models import User

    _close()
    for side in ("", "-wal", "-shm"):
        Path(f"{_path()}{side}").unlink(missing_ok=True)
    shutil.copy(STATE["home"] / "pristine.sqlite3", _path())
    user = User.objects.get()
    made = Project.objects.create(
        title="Items", label_config=CONFIG, created_by=user, organization=user.active_organization
    )
    client = APIClient(HTTP_HOST="localhost")
    client.force_authenticate(user)
    STATE.update(project=made.id, client=client)
    client.get(f"/api/projects/{made.id}/")  # addresses and permissions are looked up once


def load():
    """Take the items in."""
    address = f"/api/projects/{STATE['project']}/import"
    answer = STATE["client"].generic("POST", address, STATE["body"], content_type="application/json")
    if answer.status_code != 201:
        raise RuntimeError(f"the import was answered with {answer.status_code}: {answer.content[:300]}")


def read():
    """What is there."""
    from tasks.models import Task

    return seal(Task.objects.filter(project=STATE["project"]).values_list("data", flat=True).iterator())


if __name__ == "__main__":
    serve({"prepare": prepare, "begin": begin, "load": load, "read": read})
