"""What a contest's evaluator needs and does, read from its source without running it."""

from __future__ import annotations

import ast
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from guerdon.core.errors import ConfigError

BESIDE: Mapping[str, tuple[str, ...]] = {
    "pandas": ("numpy", "six", "dateutil", "tzdata", "pytz"),
    "scipy": ("numpy",),
    "sklearn": ("numpy", "scipy", "joblib", "threadpoolctl", "narwhals"),
    "yaml": ("_yaml",),
}
"""What a module imports besides itself; names that are not installed are left out."""
ELSEWHERE = {
    "requests": "talks to the network", "urllib3": "talks to the network", "boto3": "talks to the network",
    "docker": "starts containers", "torch": "is too large for the sandbox",
    "tensorflow": "is too large for the sandbox",
}  # fmt: skip
_UNPICKLERS = {
    "pickle": ("load", "loads"), "joblib": ("load",), "dill": ("load",), "torch": ("load",),
    "pandas": ("read_pickle",), "pd": ("read_pickle",),
}  # fmt: skip
_OPENERS = {
    **{f"{module}.{name}": "unpickles" for module, names in _UNPICKLERS.items() for name in names},
    "eval": "evaluates text", "exec": "executes text", "yaml.load": "loads YAML with tags", "np.load": "may unpickle",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """What was read.

    Args:
        imports: modules to have in the sandbox.
        warnings: places where a submission could become code; such an evaluator can be talked into any score.
        problems: what cannot be run here.
    """

    imports: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[str, ...]


def read_code(files: Mapping[str, bytes]) -> Code:
    """Look at the Python files of an evaluator.

    Args:
        files: by name; others than `.py` are passed over.
    """
    own = {part.removesuffix(".py") for name in files for part in name.split("/")}
    wanted: dict[str, str] = {}
    doubts: list[str] = []
    problems: list[str] = []
    for name, data in files.items():
        if not name.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(data)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            problems.append(f"{name} is not Python: {error}"[:120])
            continue
        for module, line in _imported(tree):
            wanted.setdefault(module, f"{name}, line {line}")
        doubts += [f"{name}, line {line}: {what}" for what, line in _opened(tree)]
    needs: list[str] = []
    for module, place in wanted.items():
        if module in own or module in sys.stdlib_module_names:
            continue
        if module in ELSEWHERE:
            problems.append(f"{place}: {module} {ELSEWHERE[module]}")
        elif not _installed(module):
            problems.append(f"{place}: {module} is not installed here (pip install it first)")
        else:
            needs += [module, *(each for each in BESIDE.get(module, ()) if _installed(each))]
    return Code(tuple(dict.fromkeys(needs)), tuple(doubts), tuple(problems))


def entry_of(files: Mapping[str, bytes], function: str) -> str:
    """The file that defines a function at its top: "" where none does."""
    for name in sorted(files, key=lambda name: (name.count("/"), name)):
        if name.endswith(".py"):
            try:
                tree = ast.parse(files[name])
            except (SyntaxError, ValueError):
                continue
            if any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body):
                return name
    return ""


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0], node.lineno


def _opened(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            asked = {each.arg: each.value for each in node.keywords}.get("allow_pickle")
            safe = called in ("np.load", "numpy.load") and not (isinstance(asked, ast.Constant) and asked.value)
            what = _OPENERS.get(called.replace("numpy.", "np."))
            if what and not safe and "SafeLoader" not in ast.unparse(node):
                yield f"{called} {what}", node.lineno


def yaml_of(data: bytes, where: str) -> dict[str, object]:
    """A YAML mapping of plain data.

    Raises:
        ConfigError: it is none, or PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise ConfigError("PyYAML reads contests", "it is not installed", "pip install pyyaml") from None
    if len(data) > 1 << 20:
        raise ConfigError(f"{where} of at most 1 MiB", f"got {len(data):,} bytes", "Shorten it")
    try:
        found = yaml.safe_load(data.decode("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is YAML", " ".join(str(error).split())[:200], "Mend it") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{where} holds names and values", f"it is a {type(found).__name__}", "Mend it")
    return {str(name): value for name, value in found.items()}
