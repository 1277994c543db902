from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from guerdon.core.errors import SandboxError
from guerdon.sandbox import Sandbox, ladder, open_sandbox, selftest, survey
from guerdon.sandbox.pool import Pool


@pytest.fixture(autouse=True)
def untested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "_passed", {})


def refuse(monkeypatch: pytest.MonkeyPatch, **reasons: str) -> None:
    start = Pool.start

    def fail(pool: Pool) -> None:
        if pool.kind in reasons:
            raise SandboxError(f"the {pool.kind} sandbox isolates itself", reasons[pool.kind], "See docs/sandbox.md")
        start(pool)

    monkeypatch.setattr(Pool, "start", fail)


def test_auto_takes_the_strongest_rung(namespaces: Sandbox) -> None:
    with open_sandbox() as sandbox:
        assert sandbox.identity.startswith("namespaces/1+py3.")
        assert sandbox.trusted is False


def test_auto_falls_to_landlock_visibly(monkeypatch: pytest.MonkeyPatch, landlock: Sandbox) -> None:
    refuse(monkeypatch, namespaces="uid map: Permission denied")
    with open_sandbox() as sandbox:
        assert sandbox.identity.startswith("landlock/")


def test_refusal_names_each_rung_and_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, namespaces="uid map: Permission denied", landlock="this kernel has no Landlock")
    with pytest.raises(SandboxError) as caught:
        open_sandbox()
    text = str(caught.value)
    assert "namespaces (uid map: Permission denied), landlock (this kernel has no Landlock)" in text
    assert "max_user_namespaces" in text
    assert 'backend="trusted"' in text


def test_a_failed_self_test_is_a_refusal_that_no_variable_turns_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "probe", lambda run: "read the canary")
    for name in ("GUERDON_SANDBOX", "GUERDON_NO_SANDBOX", "GUERDON_TRUSTED", "GUERDON_BACKEND"):
        monkeypatch.setenv(name, "trusted")
    with pytest.raises(SandboxError, match="read the canary"):
        open_sandbox()
    assert "environ" not in Path(ladder.__file__).read_text()
    assert "getenv" not in Path(ladder.__file__).read_text()


def test_the_self_test_finds_no_wall_where_there_is_none(trusted: Sandbox) -> None:
    found = selftest.probe(trusted.run)
    for word in ("canary", "connected", "signalled", "forked 200 children", "filled", "listed"):
        assert word in found


def test_trusted_only_by_name(trusted: Sandbox) -> None:
    assert trusted.trusted is True
    assert trusted.identity.startswith("trusted")
    assert "trusted" not in ladder.LADDER


def test_unknown_backend_suggests_the_nearest() -> None:
    with pytest.raises(SandboxError, match="Did you mean namespaces"):
        open_sandbox("namespace")


def test_missing_import_is_named_not_the_rung() -> None:
    with pytest.raises(SandboxError, match="pip install no_such_module_here"):
        open_sandbox(imports=["no_such_module_here"])


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_refuse(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(SandboxError, match=platform):
        open_sandbox()
    assert [rung.available for rung in survey()] == [False, False, False]


def test_import_works_without_unix_modules() -> None:
    source = (
        "import sys\n"
        "for name in ('fcntl', 'resource', 'ctypes', 'pwd'): sys.modules[name] = None\n"
        "import os, random, select, tempfile\n"
        "for name in ('register_at_fork', 'sysconf', 'pidfd_open'): delattr(os, name)\n"
        "for name in ('poll', 'epoll'): delattr(select, name)\n"
        "sys.platform = 'win32'\n"
        "import guerdon.sandbox\n"
    )
    root = str(Path(__file__).parents[2] / "src")
    subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n" + source], check=True)


def test_survey_says_what_works_and_how_to_get_the_rest(monkeypatch: pytest.MonkeyPatch, trusted: Sandbox) -> None:
    refuse(monkeypatch, namespaces="unshare: Operation not permitted")
    rungs = {rung.name: rung for rung in survey()}
    assert list(rungs) == ["namespaces", "landlock", "trusted"]
    assert not rungs["namespaces"].available
    assert rungs["namespaces"].detail == "unshare: Operation not permitted"
    assert rungs["trusted"].available
    assert all(rung.how and rung.seconds >= 0 for rung in rungs.values())


def test_workers_is_one_or_more() -> None:
    with pytest.raises(SandboxError, match="workers"):
        open_sandbox("trusted", workers=0)
