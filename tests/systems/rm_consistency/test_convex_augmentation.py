from __future__ import annotations

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.rm_consistency.augmentation import ConvexDA, hull, read_table, reworded, table, wordnet


def letters(texts):
    """Vectors (n, 26): counts of letters."""
    return np.array([[text.lower().count(chr(97 + k)) for k in range(26)] for text in texts], float)


def test_hull_has_the_corners_and_not_the_middle():
    square = np.array([[0, 0], [4, 0], [0, 3], [4, 3], [2, 1.5]], float)
    assert hull(square).tolist() == [0, 1, 2, 3]
    turned = square @ np.linalg.qr(stream(1, "axes").standard_normal((5, 5)))[0][:2]
    assert hull(turned).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("points", [np.zeros((5, 3)), [[0, 0], [1, 1], [2, 2], [3, 3]], [[0, 0], [1, 0], [1, 0]]])
def test_degenerate_hulls_are_told(points):
    assert hull(points) is None


def test_budget_is_unchanged_and_texts_are_extreme():
    words = {word: [word[::-1], word + word] for word in ("tea", "cup", "pot", "lid")}
    texts = ["tea cup pot lid", "cup of tea", "none of them"]
    made = ConvexDA(seed=3)(texts, table(words), letters)
    assert len(made.texts) == len(texts)
    assert made.texts[2] == texts[2]
    assert made.ways[2] == "same"
    assert made.texts[0] != texts[0]
    assert made.counts()["vertex"] >= 1


def test_a_vertex_of_the_hull_is_taken_where_there_is_one():
    places = {"a0": (0, 0), "a1": (4, 0), "a2": (0, 4), "a3": (1, 1), "a4": (1, 1.2)}
    drawn = iter(["a0", "a1", "a2", "a3", "a4"])

    def synonyms(word):
        return (next(drawn),) if word == "word" else ()

    made = ConvexDA(seed=1)(["word"] * 40, synonyms, lambda texts: [places[text] for text in texts])
    assert set(made.texts) == {"a0", "a1", "a2"}
    assert made.counts() == {"vertex": 40, "random": 0, "same": 0}


def test_the_same_seed_gives_the_same_words():
    words = table({"big": ["large", "huge"], "house": ["home", "hut"]})
    first, second = (ConvexDA(seed=9)(["A big house."] * 4, words, letters).texts for _ in range(2))
    assert first == second


def test_share_of_words_is_replaced_and_case_kept():
    words = table({"big": ["large"], "house": ["home"]})
    assert reworded("Big house, big barn.", words, 1.0, stream(1)) == "Large home, large barn."
    once = reworded("big big big big", words, 0.25, stream(1))
    assert once.count("large") == 1


def test_table_of_synonyms(tmp_path):
    file = tmp_path / "words.tsv"
    file.write_text("big\tlarge\thuge\nhouse, home\n\nalone\n", encoding="utf-8")
    found = read_table(file)
    assert list(found("large")) == ["big", "huge"]
    assert list(found("home")) == ["house"]
    assert list(found("alone")) == []
    (tmp_path / "empty.tsv").write_text("alone\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        read_table(tmp_path / "empty.tsv")


def dictionary(folder, part, synsets):
    """Files in WordNet's own format for synsets of words."""
    data, places = b"  1 licence text\n", {}
    for words in synsets:
        at = len(data)
        for word in words:
            places.setdefault(word.split("(")[0], []).append(at)
        line = f"{at:08d} 30 v {len(words):02x} " + " ".join(f"{word} 0" for word in words) + " 000 | a gloss\n"
        data += line.encode()
    lines = [
        f"{w} v {len(p)} 1 @ {len(p)} 0 {' '.join(f'{at:08d}' for at in p)}  \n" for w, p in sorted(places.items())
    ]
    (folder / f"data.{part}").write_bytes(data)
    (folder / f"index.{part}").write_text("  1 licence text\n" + "".join(lines), encoding="utf-8")


def test_wordnets_own_files_are_read(tmp_path):
    dictionary(tmp_path, "verb", [("repair", "mend", "fix", "furbish_up"), ("fix", "prepare")])
    dictionary(tmp_path, "adj", [("dry(a)", "arid")])
    found = wordnet(tmp_path)
    assert list(found("mend")) == ["repair", "fix"]
    assert list(found("fix")) == ["repair", "mend", "prepare"]
    assert list(found("arid")) == ["dry"]
    assert list(found("unknown")) == []
    with pytest.raises(ConfigError):
        wordnet(tmp_path / "nowhere")
