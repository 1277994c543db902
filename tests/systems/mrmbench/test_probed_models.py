from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("safetensors")

sys.path.insert(0, str(Path(__file__).parents[2] / "rlhf"))
import reward_kit  # noqa: E402

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.systems.mrmbench.command import main  # noqa: E402
from guerdon.systems.mrmbench.features import Reader  # noqa: E402
from guerdon.systems.mrmbench.table import confidence, means, probed, text, written  # noqa: E402
from guerdon.systems.mrmbench.tasks import Sample, write  # noqa: E402


def samples(n, seed=1, classes=2):
    rng = stream(seed, "samples")
    made = []
    for k in range(n):
        label = int(rng.integers(classes))
        words = ["cat", "dog", "sat"][: int(rng.integers(1, 4))] + [("bad", "slow", "good")[label]] * 3
        made.append(Sample(f"what sat {k}", " ".join(rng.permutation(words)), label))
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    for level, classes in (("easy", 2), ("hard", 3)):
        for part, n in (("train", 200), ("test", 80)):
            write(folder, level, "coherence", part, samples(n, seed=n, classes=classes))
    return folder


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return Reader.of(reward_kit.llama(tmp_path_factory.mktemp("rm"), classifier=True, chat=True), longest=32)


def test_representation_is_the_last_hidden_state_and_its_score_the_classifiers(reader, tmp_path):
    import transformers

    folder = reward_kit.llama(tmp_path / "rm", classifier=True, chat=True)
    own = Reader.of(folder, longest=32)
    some = samples(7)
    h = own(some)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    for k, each in enumerate(some):
        rows = own.encoding.rows([each.input], [each.output])
        ids = torch.tensor(rows.values)
        with torch.no_grad():
            hidden = model.model(input_ids=ids).last_hidden_state[0, -1]
            told = model(input_ids=ids).logits[0, 0]
        np.testing.assert_allclose(h[k], hidden.numpy(), rtol=2e-3, atol=1e-3)
        assert own.reward(rows)[0] == pytest.approx(float(told), abs=1e-4)


def test_an_end_token_inside_an_answer_cuts_nothing_off(tmp_path):
    folder = reward_kit.llama(tmp_path / "rm", classifier=True)
    own = Reader.of(folder)
    short, long = (own([Sample("what", f"good <eos> {tail}", 0), *samples(3)])[0] for tail in ("cat", "dog dog"))
    assert not np.allclose(short, long)


def test_the_chat_template_is_applied(reader):
    rows = reader.encoding.rows(["the cat"], ["good"])
    said = [reward_kit.WORDS[k - 3] if k > 2 else "" for k in rows.values[0]]
    assert said == ["user", ":", "the", "cat", "assistant", ":", "good"]


def test_a_language_model_is_a_baseline_without_reward(tmp_path):
    own = Reader.of(reward_kit.llama(tmp_path / "lm", classifier=False))
    assert own.reward is None
    assert own(samples(3)).shape == (3, 16)
    with pytest.raises(ConfigError):
        Reader.of(tmp_path / "nowhere")


def test_models_are_read_once(reader, tmp_path):
    first = reader(samples(5), tmp_path, "task")
    assert [file.suffix for file in tmp_path.iterdir()] == [".npy"]
    broken = Reader(None, reader.encoding, reader.name, reader.source)
    np.testing.assert_array_equal(broken(samples(5), tmp_path, "task"), first)
    with pytest.raises(TypeError):
        broken(samples(6), tmp_path, "task")


def test_representations_beyond_float16_are_refused(reader):
    large = Reader(lambda rows: np.full((len(rows), 2), 1e6), reader.encoding, "large")
    with pytest.raises(ConfigError):
        large(samples(2))


def test_table_has_both_probes_and_what_they_must_beat(reader, data, tmp_path):
    lines = probed(reader, data, keep=tmp_path)
    assert [(line.level, line.probe) for line in lines] == [
        ("easy", "published"), ("easy", "converged"), ("hard", "published"), ("hard", "converged"),
    ]  # fmt: skip
    converged = [line.score for line in lines if line.probe == "converged"]
    assert all(each.accuracy > 0.9 and not each.degenerate for each in converged)
    assert lines[0].lr in (5e-5, 2e-5, 1e-5)
    assert means(lines)[1]["accuracy"] == converged[0].accuracy
    files = written(lines, reader.name, tmp_path / "out")
    plain = json.loads(files[0].read_text())
    assert next(row["majority"] for row in plain["lines"]) == lines[0].score.majority
    assert files[1].read_text().startswith("<svg xmlns=")
    assert "majority" in text(lines)


def test_confidence_knows_far_from_near(reader, data):
    near, far = samples(30, seed=5), [Sample("? ?", "mat mat mat , , , ,", 0)] * 3
    told = confidence(reader, data, near + far)
    distances = [row["d_min"] for row in told["samples"]]
    assert np.mean(distances[-3:]) > np.mean(distances[:30])
    assert all(row["keep"] == (row["d_min"] <= told["threshold"]) for row in told["samples"])
    assert told["samples"][0]["distances"]["coherence"] == told["samples"][0]["d_min"]


def test_commands_build_probe_and_trust(tmp_path, capsys):
    rows = [
        {
            "prompt": f"what {k}",
            "response": "good " * (k % 5 + 1),
            **dict.fromkeys(("helpfulness", "correctness"), k % 5),
        }
        for k in range(120)
    ]
    file = tmp_path / "helpsteer.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    main(["build", "--helpsteer", str(file), "--out", str(tmp_path / "tasks"), "--test", "40"])
    folder = str(reward_kit.llama(tmp_path / "rm", classifier=True))
    common = [folder, "--data", str(tmp_path / "tasks")]
    main(["probe", *common, "--out", str(tmp_path / "out")])
    told = capsys.readouterr().out
    assert "easy helpfulness" in told
    assert (tmp_path / "out" / "table.svg").exists()
    main(["trust", *common, "--samples", str(file), "--out", str(tmp_path / "trust.jsonl")])
    assert len((tmp_path / "trust.jsonl").read_text().splitlines()) == 120
    with pytest.raises(SystemExit) as stopped:
        main(["probe", folder, "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2
