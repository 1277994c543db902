"""Denoising of single-cell counts: a function from training counts to denoised ones, judged by kept molecules.

An answer is `{"code": text}` whose Python defines `denoise(X)` (also `magic_denoise`, its name in the published
prompt): X are (cells, genes) training counts as floats, and what it returns has the same shape. It runs in the
sandbox and never sees the test counts. The score (arXiv 2601.16175, section 4.4 and appendix) is

    mse_norm = (raw - mse) / (raw - perfect), clipped to [0, 1]; 0 when a second measure is not within its bounds

With published ends (`ends="pancreas"`) the second measure is the published Poisson loss, normalised alike, from 0.97
to 1. With a data set's own ends it is the likelihood (see `cells`), from 0.5: on sparse synthetic cells all zeros
would pass the published one with an error better than any diffusion's. In both, a cell with molecules must keep some.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from guerdon.core.challenge import Landmark, Probes
from guerdon.core.plain import Json, digest
from guerdon.core.reward import Need
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.sandbox import Job, Limits, Outcome, shared
from guerdon.systems.ttt_discover.problem import Discovery, Invalid, Verifier, construction, shown
from guerdon.systems.ttt_discover.problems import cells as single

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guerdon.core.rng import Rng

Which = Literal["own", "pancreas", "pbmc", "tabula"]
PUBLISHED: Mapping[str, single.Ends] = {
    "pancreas": single.PANCREAS,
    "pbmc": single.PBMC,
    "tabula": single.TABULA,
}
NAMES = ("denoise", "magic_denoise")
MOST_SOURCE = 512 * 1024
_NAMED = ("numpy", "scipy", "sklearn")
_DRIVER = """
import numpy

def run(code, names, values, columns, starts, shape):
    counts = numpy.zeros(shape)
    columns, starts = numpy.frombuffer(columns, numpy.int32), numpy.frombuffer(starts, numpy.int64)
    rows = numpy.repeat(numpy.arange(shape[0]), numpy.diff(starts))
    counts[rows, columns] = numpy.frombuffer(values, numpy.int32)
    scope = {"__name__": "answer"}
    exec(compile(code, "<answer>", "exec"), scope)
    function = next((scope[name] for name in names if name in scope), None)
    if function is None:
        raise NameError("the code defines no function denoise")
    found = numpy.asarray(function(counts))
    if found.shape != tuple(shape):
        raise ValueError(f"denoise returns an array of shape {tuple(shape)}; got {found.shape}")
    return numpy.ascontiguousarray(found, dtype=numpy.float32).tobytes()
"""


def code_of(content: Any) -> str:
    """The code in an answer: `{"code": text}`, that as a `construction`, or the text alone.

    Raises:
        Invalid: there is none.
    """
    if isinstance(content, Mapping) and "construction" in content:
        content = construction(content)
    code = content.get("code") if isinstance(content, Mapping) else content
    if not isinstance(code, str) or not code.strip():
        raise Invalid('{"code": text} with a function denoise(X)', f"got {shown(code)}")
    if len(code) > MOST_SOURCE:
        raise Invalid(f"code of at most {MOST_SOURCE} characters", f"got {len(code)}")
    return code


@lru_cache(maxsize=4)
def load(data: str, keep: tuple[str, ...], seed: int, rows: int, genes: int) -> single.Cells:
    """The data set of a key: of a file, or a synthetic one."""
    if data:
        return single.read_h5ad(data, keep, seed=seed)
    return single.split(single.synthetic(seed, rows, genes), seed)


@dataclass(frozen=True)
class Denoised(Verifier):
    """Runs the code on the key's training counts and pays the normalised error on its test counts.

    Args:
        seconds: wall-clock limit of one run.
        memory_mb: memory of one run, in MiB.
        poisson_floor: least normalised Poisson loss, with published ends.
        likelihood_floor: least normalised likelihood, with the data set's own ends.
        ends: losses between which scores are normalised: the data set's own, or published ones.
    """

    seconds: float = 400.0
    memory_mb: int = 3072
    poisson_floor: float = 0.97
    likelihood_floor: float = 0.5
    ends: Which = "own"
    range = (0.0, 1.0)
    part: ClassVar[str] = "mse_norm"
    sense = "max"
    needs = frozenset({Need.SANDBOX})
    label = "denoising"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Run the functions of a batch, then measure what they gave."""
        scores: list[Score | None] = [None] * len(cases)
        jobs: dict[int, Job] = {}
        for i, case in enumerate(cases):
            try:
                jobs[i] = self._job(code_of(case.answer.content), load(**case.key))
            except Invalid as invalid:
                scores[i] = Score.failed(FaultKind.INVALID, str(invalid), "solver")
        outcomes = shared.run(list(jobs.values()), imports=libraries())
        for i, (outcome,) in zip(jobs, outcomes, strict=True):
            scores[i] = self._score(load(**cases[i].key), outcome)
        return [score for score in scores if score is not None]

    def _job(self, code: str, data: single.Cells) -> Job:
        import numpy as np

        rows, columns = np.nonzero(data.train)
        starts = np.searchsorted(rows, np.arange(len(data.train) + 1)).astype(np.int64)
        sent = (
            data.train[rows, columns].astype(np.int32).tobytes(),
            columns.astype(np.int32).tobytes(),
            starts.tobytes(),
            list(data.train.shape),
        )
        limits = Limits(
            wall_s=self.seconds, memory_mb=self.memory_mb, result_kb=4 * data.train.size // 1024 + 64, processes=32
        )
        return Job(source=_DRIVER, entry="run", calls=[(code, list(NAMES), *sent)], limits=limits)

    def _score(self, data: single.Cells, outcome: Outcome) -> Score:
        if outcome.fault is not None:
            return Score(None, fault=outcome.fault)
        try:
            parts = measures(data, _array(outcome.value, data), PUBLISHED.get(self.ends) or single.ends(data))
        except Invalid as invalid:
            return Score.failed(FaultKind.INVALID, str(invalid), "solver")
        if self.ends == "own":
            kept = self.likelihood_floor <= parts["likelihood_norm"] <= 1.0
        else:
            kept = self.poisson_floor <= parts["poisson_norm"] <= 1.0
        return Score(min(1.0, max(0.0, parts["mse_norm"])) if kept else 0.0, {**parts, "rejected": float(not kept)})


def _array(value: Any, data: single.Cells) -> NDArray[np.float64]:
    """What the code returned, held to the published conditions."""
    import numpy as np

    if not isinstance(value, bytes) or len(value) != 4 * data.train.size:
        raise Invalid(f"an array of shape {data.train.shape}", f"got {shown(value)}")
    found = np.frombuffer(value, dtype=np.float32).reshape(data.train.shape).astype(np.float64)
    if not np.isfinite(found).all() or (found < 0).any() or found.max() > data.train.sum():
        raise Invalid("finite counts from 0 up, none above all training counts together", "some are not")
    if ((found.sum(axis=1) == 0) & (data.train.sum(axis=1) > 0)).any():
        raise Invalid("counts in every cell that has molecules", "a cell has none left")
    return found


def measures(data: single.Cells, denoised: NDArray[np.float64], ends: single.Ends) -> dict[str, float]:
    """Both published losses and the likelihood, normalised and not; the likelihood's norm only where it has ends."""
    mse, poisson, likelihood = (
        single.mse(data.test, denoised),
        single.poisson(data, denoised),
        single.likelihood(data, denoised),
    )
    norm = (ends.raw_likelihood - likelihood) / (ends.raw_likelihood - ends.perfect_likelihood)
    return {
        "mse_norm": (ends.raw_mse - mse) / (ends.raw_mse - ends.perfect_mse),
        "poisson_norm": (ends.raw_poisson - poisson) / (ends.raw_poisson - ends.perfect_poisson),
        "mse": mse,
        "poisson": poisson,
        "likelihood": likelihood,
        **({"likelihood_norm": norm} if math.isfinite(norm) else {}),
    }


def libraries() -> tuple[str, ...]:
    """The modules that answers may import: numpy, scipy and, if it is installed, scikit-learn with what it requires."""
    try:
        required = [re.split(r"[^\w.-]", line)[0] for line in requires("scikit-learn") or () if "extra ==" not in line]
    except PackageNotFoundError:
        return ("numpy", "scipy")
    return ("numpy", "scipy", *sorted({"sklearn", *required} - {"numpy", "scipy"}))


@dataclass(frozen=True, kw_only=True)
class Denoising(Discovery):
    """Write a function that denoises single-cell counts."""

    data: str = field(default="", metadata={"recipe": False})
    """An .h5ad file of counts (needs h5py); synthetic cells by default."""
    keep: tuple[str, ...] = ()
    """Cells whose `obs` column `tech` has one of these values (the paper keeps inDrop1 of the pancreas set)."""
    ends: Which = "own"
    """Losses between which scores are normalised: the data set's own, or published ones (pancreas, pbmc, tabula)."""
    seed: int = 42
    """Seed of the split into training and test molecules, and of synthetic cells (42 in the paper)."""
    cells: int = 300
    """Synthetic cells."""
    genes: int = 2000
    """Synthetic genes."""
    poisson_floor: float = 0.97
    """Least normalised Poisson loss, with published ends (arXiv 2601.16175, appendix: just below MAGIC's)."""
    likelihood_floor: float = 0.5
    """Least normalised likelihood, with the data set's own ends: just below that of diffusion."""
    seconds: float = 400.0
    """Wall-clock limit of one run (arXiv 2601.16175, appendix)."""
    memory_mb: int = 3072
    """Memory of one run, in MiB (3 GB: arXiv 2601.16175, appendix)."""

    name: ClassVar[str] = "denoising"

    @property
    def judge(self) -> Denoised:
        """The verifier."""
        return Denoised(
            seconds=self.seconds,
            memory_mb=self.memory_mb,
            poisson_floor=self.poisson_floor,
            likelihood_floor=self.likelihood_floor,
            ends=self.ends,
        )

    def fingerprint(self) -> str:
        """Digest of the file, where there is one."""
        return digest(Path(self.data).read_bytes().hex()) if self.data else ""

    def prompt(self) -> str:
        """What is asked."""
        return (
            "Single-cell RNA sequencing catches few of a cell's molecules. Write Python with a function `denoise(X)`: "
            "X is a numpy array (cells, genes) of counts, a random 90 % of the molecules that were caught; return the "
            "expected counts, same shape, finite and from 0 up. The other 10 % judge: the mean squared error of "
            f"log(1 + 10^4 x / total of the cell), which must be small, under the condition that {self._condition()} "
            "of the way from that of X to that of the test counts. The score is how far the error falls from that of X "
            "(0) towards none (1). No cell may come out empty. You may import "
            f"{', '.join(name for name in libraries() if name in _NAMED)}. "
            f"Limits: {self.seconds:g} s, {self.memory_mb} MiB, no files, no network."
        )

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """Where both halves of the molecules come from."""
        key = {"data": self.data, "keep": self.keep, "seed": self.seed, "rows": self.cells, "genes": self.genes}
        return [dict(key) for _ in tasks]

    def sizes(self) -> Mapping[str, Json]:
        """The limits."""
        return {"seconds": self.seconds, "memory_mb": self.memory_mb, "ends": self.ends}

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published scores; none for synthetic cells."""
        source = "arXiv 2601.16175, table 8"
        rows = {
            "pbmc": {"MAGIC": 0.64, "best of 25,600 samples": 0.62, "OpenEvolve": 0.70, "TTT-Discover": 0.71},
            "tabula": {"MAGIC": 0.64, "best of 25,600 samples": 0.65, "OpenEvolve": 0.71, "TTT-Discover": 0.73},
        }
        return [Landmark(who, value, "", source) for who, value in rows.get(self.ends, {}).items()]

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """Diffusion over neighbours, against functions that do nothing, shrink, break the rules or hunt the key."""
        if not tasks:
            return Probes()
        name = tasks[0].id
        nothing = ["def denoise(X):\n    return X", "def denoise(X):\n    return X * 0 + X.mean(axis=0)"]
        contents: dict[str, list[Any]] = {
            "no code": [None, True, 7, "", {}, {"code": 3}, {"code": "x = 1"}, {"code": "def denoise(X) return X"}],
            "a reported score": [{"code": nothing[0], "mse": 0.0, "poisson": 0.03, "score": 1.0}],
            "shrunken counts": [{"code": "def denoise(X):\n    return X * 1e-6"}],
            "no counts at all": [{"code": "def denoise(X):\n    return X * 0"}],
            "all on one gene": [
                {"code": "def denoise(X):\n    Y = X * 0\n    Y[:, X.sum(axis=0).argmax()] = 1\n    return Y"}
            ],
            "not finite": [
                {"code": "def denoise(X):\n    return X / 0 * 0"},
                {"code": "def denoise(X):\n    return -X"},
            ],
            "another shape": [{"code": "def denoise(X):\n    return X[:, :1]"}, {"code": "def denoise(X):\n    pass"}],
            "an obliging object": [{"code": OBLIGING}],
            "a search for the test counts": [{"code": HUNT}],
        }
        cheats = {label: [Answer(name, each) for each in rows] for label, rows in contents.items()}
        oracle = [Answer(name, {"code": DIFFUSION})]
        return Probes(oracle, [Answer(name, {"code": code}) for code in nothing], cheats, top=self._top(), floor=1e-6)

    def _condition(self) -> str:
        scaled = "scaled by all test over all training molecules"
        if self.ends == "own":
            return (
                f"mean(p - test log(p + 10^-6)), p being your counts with each cell's total that of X, {scaled}, "
                f"lies at {self.likelihood_floor:g} or more"
            )
        return f"mean(test - d log(test + 10^-6)), d being your counts {scaled}, lies at {self.poisson_floor:g} to 1"

    def _top(self) -> float:
        return 0.15 if not self.data else 0.0


DIFFUSION = '''\
import numpy as np


def denoise(X, neighbours=15, steps=3, components=10):
    """Average the square roots of counts over a random walk between similar cells."""
    root = np.sqrt(X)
    size = root.sum(axis=1, keepdims=True)
    size[size == 0] = 1.0
    level = root / size
    u, s, _ = np.linalg.svd(level - level.mean(axis=0), full_matrices=False)
    place = u[:, :components] * s[:components]
    square = (place**2).sum(axis=1)
    apart = np.sqrt(np.maximum(square[:, None] + square - 2 * place @ place.T, 0.0))
    near = min(neighbours, len(X) - 1)
    width = np.partition(apart, near, axis=1)[:, near][:, None] + 1e-12
    kernel = np.exp(-((apart / width) ** 2))
    kernel = kernel + kernel.T
    walk = np.linalg.matrix_power(kernel / kernel.sum(axis=1, keepdims=True), steps)
    return (walk @ level) ** 2 * size
'''
"""Diffusion over neighbouring cells on square roots, in the spirit of MAGIC (van Dijk et al., Cell 2018)."""
OBLIGING = """\
import numpy as np

class Always(np.ndarray):
    def __array_finalize__(self, other): pass
    def __eq__(self, other): return True
    def sum(self, *a, **k): return 1.0

def denoise(X):
    return X.view(Always)
"""
HUNT = """\
import gc, sys
import numpy as np

def denoise(X):
    found = [o for o in gc.get_objects() if isinstance(o, np.ndarray) and o.shape == X.shape and o is not X]
    frame = sys._getframe()
    while frame is not None:
        found += [v for v in frame.f_locals.values() if isinstance(v, np.ndarray) and v.shape == X.shape]
        frame = frame.f_back
    return next((o for o in found if not np.array_equal(o, X)), X).astype(float)
"""


def seeds(rng: Rng, count: int) -> list[dict[str, str]]:
    """Start programs: diffusion, over and over (the paper starts from MAGIC)."""
    return [{"code": DIFFUSION} for _ in range(count)]
