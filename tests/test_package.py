import subprocess
import sys

import guerdon

HEAVY = (
    "numpy",
    "scipy",
    "torch",
    "sqlalchemy",
    "httpx",
    "typer",
    "rich",
    "matplotlib",
    "jinja2",
    "sklearn",
    "asyncio",
)


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(chr(10).join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_guerdon_stays_light() -> None:
    assert not imported_by("import guerdon").intersection(HEAVY)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys\nfrom guerdon.cli.main import main\ntry:\n    main(['--help'])\nexcept SystemExit: pass"
    assert not imported_by(f"exec({code!r})").intersection(HEAVY)


def test_every_public_name_is_there() -> None:
    assert sorted(guerdon.__all__) == sorted(set(guerdon.__all__))
    for name in guerdon.__all__:
        assert getattr(guerdon, name) is not None
    assert set(dir(guerdon)) == set(guerdon.__all__)
