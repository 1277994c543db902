from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ChallengeError
from guerdon.core.reward import Reward
from guerdon.core.task import Answer, Case
from guerdon.sandbox import shared
from guerdon.systems.ttt_discover.problems import cells as single
from guerdon.systems.ttt_discover.problems import denoising
from guerdon.testing.challenge import ChallengeContract
from guerdon.testing.reward import RewardContract

SMALL = denoising.Denoising(cells=120, genes=1500, seconds=60.0)
IDENTITY = "def denoise(X):\n    return X"


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    shared.close()


def judged(challenge: denoising.Denoising, *contents: Any) -> list[Any]:
    (task,) = challenge.tasks("main")
    (key,) = challenge.keys([task])
    return challenge.judge([Case(task, Answer(task.id, content), key) for content in contents])


def data_of(challenge: denoising.Denoising) -> single.Cells:
    (key,) = challenge.keys(list(challenge.tasks("main")))
    return denoising.load(**key)


# The metrics


def test_metrics_are_the_published_formulas() -> None:
    rng = np.random.default_rng(101)
    data = single.Cells(rng.poisson(2.0, (4, 6)) + 1, rng.poisson(0.5, (4, 6)))
    denoised = rng.random((4, 6))
    errors, losses, scale = [], [], data.test.sum() / data.train.sum()
    for i in range(4):
        for j in range(6):
            test, found = float(data.test[i, j]), denoised[i, j]
            normal = math.log1p(1e4 * test / (data.test[i].sum() or 1))
            errors.append((normal - math.log1p(1e4 * found / denoised[i].sum())) ** 2)
            losses.append(test - found * scale * math.log(test + 1e-6))
    assert single.mse(data.test, denoised) == pytest.approx(sum(errors) / 24)
    assert single.poisson(data, denoised) == pytest.approx(sum(losses) / 24)


def test_the_likelihood_does_not_see_the_scale_and_prefers_the_truth() -> None:
    rng = np.random.default_rng(102)
    rates = rng.gamma(1.0, 2.0, (200, 50))
    data = single.Cells(rng.poisson(9 * rates), rng.poisson(rates))
    truth = single.likelihood(data, rates)
    assert single.likelihood(data, rates * 1e-9) == pytest.approx(truth)
    for worse in (data.train.astype(float), np.ones_like(rates), rates**2, np.where(rates > 1, rates, 0)):
        assert truth < single.likelihood(data, worse)


def test_own_ends_are_the_scores_nought_and_one() -> None:
    data = data_of(SMALL)
    ends = single.ends(data)
    raw = denoising.measures(data, data.train.astype(float), ends)
    assert (raw["mse_norm"], raw["poisson_norm"], raw["likelihood_norm"]) == pytest.approx((0.0, 0.0, 0.0))
    perfect = denoising.measures(data, data.test.astype(float), ends)
    assert (perfect["mse_norm"], perfect["poisson_norm"]) == pytest.approx((1.0, 1.0))


def test_published_ends_are_those_of_the_paper() -> None:
    data = data_of(SMALL)
    found = denoising.measures(data, data.train.astype(float), single.PANCREAS)
    assert found["mse_norm"] == pytest.approx((0.304721 - found["mse"]) / 0.304721)
    assert found["poisson_norm"] == pytest.approx((0.257575 - found["poisson"]) / (0.257575 - 0.031739))
    assert "likelihood_norm" not in found


# The data


def test_a_split_shares_out_every_molecule() -> None:
    counts = single.synthetic(101, 200, 300)
    data = single.split(counts, 7)
    kept = data.train.sum(axis=0) > 0
    assert kept.all()
    assert data.train.shape == data.test.shape
    assert (data.train + data.test).sum() <= counts.sum()
    assert data.train.sum() / (data.train + data.test).sum() == pytest.approx(0.9, abs=0.01)
    assert (single.split(counts, 7).train == data.train).all()
    assert (single.split(counts, 8).train.sum() != data.train.sum()) or (
        single.split(counts, 8).test != data.test
    ).any()


def test_synthetic_cells_are_sparse_and_overdispersed() -> None:
    counts = single.synthetic(101, 300, 1000)
    assert 0.75 < (counts == 0).mean() < 0.92
    busy = counts[:, counts.mean(axis=0) > 1]
    assert (busy.var(axis=0) > busy.mean(axis=0)).mean() > 0.95


def write_h5ad(path: Path, counts: Any, kind: str, techs: Sequence[str], form: str) -> None:
    """What AnnData writes, as far as counts are concerned."""
    h5py = pytest.importorskip("h5py")
    from scipy import sparse

    def put(group: Any, name: str, values: Any) -> None:
        if kind == "dense":
            group.create_dataset(name, data=np.asarray(values, dtype=np.float32))
            return
        matrix = (sparse.csc_matrix if kind == "csc" else sparse.csr_matrix)(values.astype(np.float32))
        node = group.create_group(name)
        node.attrs["encoding-type"] = f"{kind}_matrix"
        node.attrs["shape"] = values.shape
        for part in ("data", "indices", "indptr"):
            node.create_dataset(part, data=getattr(matrix, part))

    with h5py.File(path, "w") as file:
        obs = file.create_group("obs")
        names = sorted(set(techs))
        codes = [names.index(tech) for tech in techs]
        if form == "old":
            obs.create_dataset("tech", data=codes)
            obs.create_group("__categories").create_dataset("tech", data=[name.encode() for name in names])
        elif form == "plain":
            obs.create_dataset("tech", data=[tech.encode() for tech in techs])
        else:
            obs.create_group("tech").create_dataset("categories", data=[name.encode() for name in names])
            obs["tech"].create_dataset("codes", data=np.asarray(codes, dtype=np.int8))
        if form == "split":
            put(file.create_group("obsm"), "train", counts // 2)
            put(file["obsm"], "test", counts - counts // 2)
        elif form == "plain":
            put(file, "X", counts)
        else:
            put(file, "X", counts * 0 + 0.5)
            put(file.create_group("layers"), "counts", counts)


@pytest.mark.parametrize("kind", ["dense", "csr", "csc"])
@pytest.mark.parametrize("form", ["new", "old", "plain", "split"])
def test_files_are_read_as_they_are_published(kind: str, form: str, tmp_path: Path) -> None:
    counts = single.synthetic(101, 20, 40)
    techs = ["inDrop1", "smartseq2"] * 10
    write_h5ad(tmp_path / "a.h5ad", counts, kind, techs, form)
    found = single.read_h5ad(tmp_path / "a.h5ad", keep=("inDrop1",), seed=42)
    if form == "split":
        assert (found.train == counts[::2] // 2).all()
        assert (found.test == (counts - counts // 2)[::2]).all()
    else:
        expected = single.split(counts[::2], 42)
        assert (found.train == expected.train).all()
        assert (found.test == expected.test).all()
    assert single.read_h5ad(tmp_path / "a.h5ad").train.shape[0] == 20


def test_files_that_hold_no_counts_are_refused_with_the_reason(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    counts = single.synthetic(101, 4, 9)
    write_h5ad(tmp_path / "a.h5ad", counts, "csr", ["inDrop1"] * 4, "new")
    with pytest.raises(ChallengeError, match="no cell has tech in"):
        single.read_h5ad(tmp_path / "a.h5ad", keep=("inDrop3",))
    with h5py.File(tmp_path / "b.h5ad", "w") as file:
        file.create_dataset("X", data=np.full((3, 3), 0.25))
    with pytest.raises(ChallengeError, match="no counts"):
        single.read_h5ad(tmp_path / "b.h5ad")
    (tmp_path / "c.h5ad").write_text("no such thing")
    with pytest.raises(ChallengeError, match="Export it with AnnData"):
        single.read_h5ad(tmp_path / "c.h5ad")


def test_a_file_judges_with_published_ends(tmp_path: Path) -> None:
    write_h5ad(tmp_path / "a.h5ad", single.synthetic(101, 60, 300), "csr", ["inDrop1"] * 60, "new")
    challenge = denoising.Denoising(data=str(tmp_path / "a.h5ad"), ends="pancreas", poisson_floor=-9.0, seconds=60.0)
    (raw,) = judged(challenge, {"code": IDENTITY})
    assert raw.parts["poisson_norm"] == pytest.approx((0.257575 - raw.parts["poisson"]) / (0.257575 - 0.031739))
    assert challenge.fingerprint() != SMALL.fingerprint() == ""


# The judge


class TestDenoising(ChallengeContract, RewardContract):
    @pytest.fixture
    def challenge(self) -> denoising.Denoising:
        return SMALL

    @pytest.fixture
    def judge(self) -> Reward:
        return SMALL.judge

    @pytest.fixture
    def cases(self) -> Sequence[Case]:
        (task,) = SMALL.tasks("main")
        (key,) = SMALL.keys([task])
        codes = [denoising.DIFFUSION, IDENTITY, "def denoise(X):\n    return X + 0.1"]
        return [Case(task, Answer(task.id, {"code": code}), key) for code in codes]


def test_diffusion_denoises_and_identity_does_not() -> None:
    diffusion, identity, named = judged(
        SMALL,
        {"code": denoising.DIFFUSION},
        {"construction": {"code": IDENTITY}},
        denoising.DIFFUSION.replace("def denoise", "def magic_denoise"),
    )
    assert diffusion.value > 0.15
    assert diffusion.value == named.value == pytest.approx(diffusion.parts["mse_norm"])
    assert identity.value == 0.0
    assert identity.parts["rejected"] == 1.0


@pytest.mark.parametrize(
    "body",
    [
        "return X * 0",
        "return X * 1e-6",
        "return X * 0 + 1",
        "return X * 0 + X.mean(axis=0)",
        "Y = X * 0; Y[:, 0] = 1; return Y",
        "Y = X * 0; Y[:, 0] = 1e-30; return Y",
        "import numpy; return numpy.where(X > X.mean(), X, 0) + 1e-9",
        "return X / 0",
        "return -X",
        "return X * 1e30",
        "return X[:, 1:]",
        "return X.T",
        "return None",
        "return 'x' * 4 * X.size",
        "return b'x' * 4 * X.size",
        "return X.astype(object)",
        "return X.astype(complex) * 1j",
    ],
)
def test_cheap_tricks_earn_nothing(body: str) -> None:
    (score,) = judged(SMALL, {"code": f"def denoise(X):\n    {body}"})
    assert score.value is None or score.value < 1e-6
    assert score.value is not None or score.fault.whose == "solver"


def test_published_scoring_falls_for_all_zeros_and_the_judge_does_not() -> None:
    """Why the data set's own ends come with another second measure, and empty cells are refused."""
    data = data_of(SMALL)
    zeros = denoising.measures(data, np.zeros(data.train.shape), single.ends(data))
    assert zeros["poisson_norm"] > 0.97
    assert zeros["mse_norm"] > 0.2
    (score,) = judged(SMALL, {"code": "def denoise(X):\n    return X * 0"})
    assert "a cell has none left" in score.fault.detail


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.just(""),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["code", "construction"]), inner),
        max_leaves=8,
    )
)
def test_no_answer_breaks_the_judge_or_earns(content: Any) -> None:
    (score,) = judged(SMALL, content)
    assert score.value is None
    assert score.fault.kind == "invalid"
    assert score.fault.whose == "solver"


def test_time_and_memory_are_limited() -> None:
    tight = denoising.Denoising(cells=30, genes=50, seconds=3.0, memory_mb=256)
    slow, fat = judged(
        tight,
        {"code": "def denoise(X):\n    while True: pass"},
        {"code": "def denoise(X):\n    return [0] * 10**9"},
    )
    assert (slow.fault.kind, fat.fault.kind) == ("timeout", "memory")


def test_nothing_of_the_test_molecules_crosses_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def spy(jobs: Any, **more: Any) -> Any:
        sent.extend(jobs)
        return original(jobs, **more)

    original = shared.run
    monkeypatch.setattr(shared, "run", spy)
    judged(SMALL, {"code": IDENTITY})
    (job,) = sent
    (call,) = job.calls
    _, _, values, columns, starts, shape = call
    train = data_of(SMALL).train
    assert sum(np.frombuffer(values, np.int32)) == train.sum()
    assert len(np.frombuffer(columns, np.int32)) == (train > 0).sum()
    assert np.frombuffer(starts, np.int64)[-1] == (train > 0).sum()
    assert shape == list(train.shape)


@pytest.mark.parametrize("content", [[0] * 10_000_000, {"code": "#" * 10_000_000}, {"code": [0] * 10_000_000}])
def test_huge_answers_are_refused_in_few_words(content: Any) -> None:
    (score,) = judged(SMALL, content)
    assert score.fault.kind == "invalid"
    assert len(score.fault.detail) < 200
