"""What `serve` has when it forks its workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import environment
from tests.waiting import PATIENCE

PROBE = """
import os
def opened():
    names = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    found = {os.readlink(name) for name in names if os.path.exists(name)}
    # figures, of which each process takes files of its own; a counter that django-q2 makes and that nobody uses here
    return {name for name in found if not name.endswith(".db") and not name.startswith("/dev/shm/pym-")}
before = opened()
from mezzotint import wiring
from mezzotint.site.preloading import preload
preload()
print(len(os.listdir("/proc/self/task")), opened() - before, wiring._engine)
"""


def test_what_is_imported_before_the_fork_starts_no_thread_and_opens_nothing(tmp_path: Path) -> None:
    """A descriptor or a lock that several processes have by inheritance belongs to none of them."""
    variables = environment(tmp_path / "data", PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("1 set() None\n", "")


def test_what_nobody_asks_for_is_not_there(tmp_path: Path) -> None:
    """Clients of databases and services that are not set, which libraries bring along: tens of megabytes."""
    probe = PROBE + "import sys\nprint({'psycopg', 'redis', 'dns', 'cryptography', 'jsonschema'} & set(sys.modules))"
    variables = environment(tmp_path / "data", PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    command = [sys.executable, "-c", probe]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE)
    assert done.stdout.splitlines()[-1:] == ["set()"], done.stderr


INTERRUPTED = """
import sys
module = sys.argv.pop()
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from mezzotint.cli import main
sys.argv.append("serve")
main()
"""


@pytest.mark.parametrize("module", ["typer", "mezzotint.cli.serving", "uvloop", "mezzotint.repository.commits"])
def test_ctrl_c_while_it_is_imported_ends_it_without_a_traceback(tmp_path: Path, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module],
        env=environment(tmp_path / "data", MEZZOTINT_BIND="127.0.0.1:0"),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (130, "")
