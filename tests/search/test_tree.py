import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import ReusePolicy, StateArchive, Tree, TreePolicy, puct, uct


def test_puct_is_its_formula_for_many_parents_at_once():
    rng = np.random.default_rng(0)
    q, prior, visits = rng.normal(size=(7, 4)), rng.random((7, 4)), rng.integers(0, 9, size=(7, 4))
    found = puct(q, prior, visits, c=1.5)
    for i in range(7):
        for k in range(4):
            root = np.sqrt(max(visits[i].sum(), 1))
            assert found[i, k] == pytest.approx(q[i, k] + 1.5 * prior[i, k] * root / (1 + visits[i, k]))


def test_unknown_and_infinite_values_in_the_rules():
    assert puct([np.nan, -np.inf, 0.0], [0.3] * 3, [1, 1, 1]).argmax() == 2
    assert puct([np.inf, 0.0], [0.5] * 2, [1, 1]).argmax() == 0
    assert uct([np.nan, 0.0], [1, 1]).argmax() == 1
    assert uct([5.0, 0.0], [1, 0]).argmax() == 1
    assert uct([0.0, 1.0], [1, 2], c=1.0)[1] == pytest.approx(1 + np.sqrt(np.log(3) / 2))


def grow(tree, rng, rounds, batch, fault=0.0, moves=3):
    """Search with random moves and values; returns all (leaf, value) in the order of backup."""
    told = []
    for _ in range(rounds):
        leaves = tree.select(batch)
        if not len(leaves):
            break
        tree.expand(leaves, [rng.random(int(rng.integers(0, moves + 1))) for _ in leaves])
        values = [None if rng.random() < fault else float(rng.integers(-4, 5)) for _ in leaves]
        tree.backup(leaves, values)
        told += zip(leaves.tolist(), values)
    return told


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from(["puct", "uct"]), st.sampled_from(["mean", "max"]), st.sampled_from([1, 4])
)
def test_statistics_are_those_of_all_backups_below(seed, rule, value, batch):
    tree, rng = Tree(TreePolicy(rule=rule, value=value)), np.random.default_rng(seed)
    told = grow(tree, rng, 30, batch, fault=0.2)
    below = {node: [] for node in range(len(tree))}
    for leaf, got in told:
        for node in tree.path(leaf):
            below[node].append(got)
    for node, values in below.items():
        known = [v for v in values if v is not None]
        assert tree.visits([node])[0] == len(values)
        expected = np.nan if not known else (max(known) if value == "max" else sum(known) / len(known))
        assert tree.q([node])[0] == pytest.approx(expected, nan_ok=True)
    for node in range(1, len(tree)):
        parent = int(tree.parents([node])[0])
        assert node in tree.children(parent)
        assert tree.depths([node])[0] == tree.depths([parent])[0] + 1
    assert not tree._columns["pending"][: len(tree)].any()


def test_selection_prefers_what_pays():
    tree = Tree(TreePolicy(c=0.5))
    tree.expand([0], [[0.5, 0.5]])
    for _ in range(100):
        leaf = tree.select(1)
        tree.backup(leaf, [1.0 if leaf[0] == 2 else 0.0])
    assert tree.visits([2])[0] > 85


def test_leaves_of_one_batch_differ_and_spread_by_virtual_loss():
    tree = Tree(TreePolicy(c=1.0, virtual_loss=1.0))
    tree.expand([0], [[0.5, 0.5]])
    first = tree.select(2)
    tree.expand(first, [[0.25] * 4, [0.25] * 4])
    tree.backup(first, [0.3, 0.0])
    leaves = tree.select(4)
    assert len(set(leaves.tolist())) == 4
    assert set(tree.parents(leaves).tolist()) == {1, 2}
    greedy = Tree(TreePolicy(c=0.1, virtual_loss=0.0))
    greedy.expand([0], [[0.5, 0.5]])
    first = greedy.select(2)
    greedy.expand(first, [[0.25] * 4, [0.25] * 4])
    greedy.backup(first, [9.0, 0.0])
    assert set(greedy.parents(greedy.select(4)).tolist()) == {1}


def test_no_legal_move_at_the_root_ends_the_search():
    tree = Tree()
    leaves = tree.select(3)
    assert leaves.tolist() == [0]
    assert tree.expand(leaves, [[]])[0].tolist() == []
    tree.backup(leaves, [1.0])
    assert tree.select(3).tolist() == []
    assert tree.q([0]).tolist() == [1.0]


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), float("-inf")])
def test_when_all_children_fault_the_search_ends(bad):
    tree = Tree()
    root = tree.select(1)
    tree.expand(root, [[0.2, 0.3, 0.5]])
    tree.backup(root, [bad])
    rounds = 0
    while len(leaves := tree.select(2)):
        tree.backup(leaves, [bad] * len(leaves))
        rounds += 1
    assert rounds == 2
    assert tree.visits([0]).tolist() == [4]
    assert np.isnan(tree.q([0])[0])


@pytest.mark.parametrize("rule", ["puct", "uct"])
def test_infinite_and_missing_priors_do_not_stop_the_search(rule):
    tree = Tree(TreePolicy(rule=rule))
    tree.expand([0], [[float("nan"), float("inf"), -1.0, 0.0]])
    seen = set()
    while len(leaves := tree.select(1)):
        seen |= set(leaves.tolist())
        tree.backup(leaves, [None])
    assert seen == {1, 2, 3, 4}


def test_a_chain_of_ten_thousand():
    tree = Tree(TreePolicy(value="max"))
    leaf = tree.select(1)
    for _ in range(10_000):  # extended while pending, so that each step costs no descent
        (children,) = tree.expand(leaf, [[1.0]])
        leaf = children
    tree.backup([0], [0.0])
    deep = tree.select(1)
    assert tree.depths(deep).tolist() == [10_000]
    tree.expand(deep, [[]])
    tree.backup(deep, [5.0])
    assert tree.q([0]).tolist() == [5.0]
    assert tree.select(1).tolist() == []
    assert len(tree.path(int(deep[0]))) == 10_001


def test_cycles_by_transposition_end():
    """Three positions, each of which leads to the other two."""
    tree, position = Tree(), {0: 0}
    tree.name_root(0)
    rounds = 0
    while len(leaves := tree.select(2)):
        moves = [[p for p in range(3) if p != position[leaf]] for leaf in leaves.tolist()]
        for nodes, targets in zip(tree.expand(leaves, [[0.5, 0.5]] * len(leaves), moves), moves):
            position.update(zip(nodes.tolist(), targets))
        tree.backup(leaves, [0.0] * len(leaves))
        rounds += 1
    assert rounds < 10
    assert tree.depths(range(len(tree))).max() == 3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_every_search_of_a_finite_game_ends(seed):
    tree, rng = Tree(), np.random.default_rng(seed)
    rounds = 0
    while len(leaves := tree.select(3)):
        rounds += 1
        depths = tree.depths(leaves).tolist()
        tree.expand(leaves, [rng.random(0 if d == 3 else int(rng.integers(0, 4))) for d in depths])
        tree.backup(leaves, [None if rng.random() < 0.3 else 1.0 for _ in leaves])
    assert rounds <= 1 + 3 + 9 + 27


def test_a_saved_tree_goes_on_as_the_first_would(tmp_path):
    first, rng = Tree(TreePolicy(value="max")), np.random.default_rng(5)
    first.name_root("start")
    grow(first, rng, 10, 2)
    waiting = first.select(2)
    first.save(tmp_path)
    second = Tree.load(tmp_path)
    for tree in (first, second):
        tree.backup(waiting, [1.0] * len(waiting))
        grow(tree, np.random.default_rng(6), 10, 3)
    assert len(first) == len(second)
    nodes = range(len(first))
    assert np.array_equal(first.visits(nodes), second.visits(nodes))


def test_misuse_is_named():
    tree = Tree()
    with pytest.raises(SolverError, match="not pending"):
        tree.backup([0], [1.0])
    tree.expand([0], [[1.0]])
    with pytest.raises(SolverError, match="once"):
        tree.expand([0], [[1.0]])
    with pytest.raises(SolverError, match="key"):
        tree.expand([1], [[1.0]], [["a", "b"]])
    with pytest.raises(SolverError, match="priors"):
        tree.expand([1], [])
    with pytest.raises(SolverError, match="less than"):
        tree.children(7)
    with pytest.raises(ConfigError):
        TreePolicy(rule="greedy")


# Reuse of states


def reference_scores(values, parents, visits, best, total, seeds, c=1.0):
    """The formula of the paper, state by state."""
    order = sorted(range(len(values)), key=lambda s: (-values[s], s))
    rank = {s: r for r, s in enumerate(order)}
    weight = sum(len(values) - r for r in rank.values())
    made = values[seeds:] or values
    scale = max(max(made) - min(made), 1e-6)
    return [
        (values[s] if best[s] is None else best[s])
        + c * scale * (len(values) - rank[s]) / weight * np.sqrt(1 + total) / (1 + visits[s])
        for s in range(len(values))
    ]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_reuse_follows_the_published_rule(seed):
    rng = np.random.default_rng(seed)
    archive = StateArchive(ReusePolicy(capacity=10**6))
    values, parents = [0.0, 1.0, -1.0], [-1, -1, -1]
    visits, best, total = [0, 0, 0], [None, None, None], 0
    archive.seed(values, ["s0", "s1", "s2"])
    for step in range(6):
        scores = reference_scores(values, parents, visits, best, total, 3)
        assert archive.scores() == pytest.approx(scores)
        starts = archive.select(2).tolist()
        lines = [ancestry(start, parents) for start in starts]
        assert all(a not in lines[j] for i, a in enumerate(starts) for j in range(len(starts)) if i != j)
        assert starts[0] == max(range(len(values)), key=lambda s: (scores[s], values[s], -s))
        groups = [[None if rng.random() < 0.4 else float(rng.integers(-3, 9)) for _ in range(4)] for _ in starts]
        names = [[f"{step}/{start}/{i}" for i in range(4)] for start in starts]
        made = archive.update(starts, groups, names)
        for start, group, states in zip(starts, groups, made):
            known = [v for v in group if v is not None]
            assert sorted(group[i] for i in np.flatnonzero(states >= 0)) == sorted(known)[-2:]
            for state in sorted(s for s in states.tolist() if s >= 0):
                values.append(group[states.tolist().index(state)])
                parents.append(start)
                visits.append(0)
                best.append(None)
            if known:
                best[start] = max(known if best[start] is None else [*known, best[start]])
            for state in ancestry(start, parents):
                visits[state] += 1
            total += 1


def ancestry(state, parents):
    found = []
    while state >= 0:
        found.append(state)
        state = parents[state]
    return found


def test_duplicates_and_the_worst_are_dropped_but_seeds_stay(tmp_path):
    archive = StateArchive(ReusePolicy(capacity=2))
    archive.seed([-9.0], ["seed"])
    assert archive.update([0], [[1.0, 2.0]], [["a", "a"]])[0].tolist() == [-1, 1]
    archive.update([1], [[5.0, 6.0]], [["b", "c"]])
    assert archive.alive.tolist() == [0, 2, 3]
    assert archive.update([0], [[7.0, None]], [["b", "d"]])[0].tolist() == [-1, -1]
    assert archive.best == 2  # the best of a group is named first
    assert archive.visits([0]).tolist() == [3.0]
    archive.save(tmp_path)
    again = StateArchive.load(tmp_path)
    assert np.array_equal(again.scores(), archive.scores())
    assert again.select(3).tolist() == archive.select(3).tolist()
    assert again.update([0], [[8.0]], [["c"]])[0].tolist() == [-1]


def test_duplicates_are_dropped_after_the_best_are_taken():
    archive = StateArchive()
    archive.seed([0.0], ["s"])
    assert archive.update([0], [[9.0, 8.0, 7.0]], [["s", "a", "b"]])[0].tolist() == [-1, 1, -1]


def test_a_group_without_a_child_is_a_visit_and_visits_may_be_attempts():
    for visits, amount in (("group", 1.0), ("attempt", 3.0)):
        archive = StateArchive(ReusePolicy(visits=visits))
        archive.seed([0.0], ["s"])
        archive.update([0], [[None, float("nan"), float("inf")]], [["a", "b", "c"]])
        assert archive.visits([0]).tolist() == [amount]
        assert len(archive) == 1


def test_a_lineage_of_ten_thousand_is_selected_once():
    archive = StateArchive(ReusePolicy(capacity=10**6))
    archive.seed([0.0], ["s"])
    for i in range(10_000):
        archive._append(float(i), i, str(i))
    assert len(archive.select(2)) == 1


def test_an_empty_archive_of_states():
    archive = StateArchive()
    assert archive.select(3).tolist() == []
    with pytest.raises(SolverError):
        _ = archive.best
    with pytest.raises(SolverError, match="finite"):
        archive.seed([float("nan")], ["a"])


def walk(tree, rng, rounds, batch):
    """Search paths over subsets of 5: a move takes one more element, and the position is the set taken."""
    position, told = {0: frozenset()}, []
    tree.name_root("")
    for _ in range(rounds):
        leaves = tree.select(batch)
        if not len(leaves):
            break
        rest = [[i for i in range(5) if i not in position[leaf]] for leaf in leaves.tolist()]
        reached = [[position[leaf] | {i} for i in more] for leaf, more in zip(leaves.tolist(), rest)]
        keys = [["".join(map(str, sorted(each))) for each in sets] for sets in reached]
        children = tree.expand(leaves, [np.full(len(more), 1 / max(len(more), 1)) for more in rest], keys)
        for nodes, sets in zip(children, reached):
            position.update(zip(nodes.tolist(), sets))
        values = [None if rng.random() < 0.1 else float(rng.integers(-4, 5)) for _ in leaves]
        tree.backup(leaves, values)
        told += zip(leaves.tolist(), values)
    return position, told


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["puct", "uct"]),
    st.sampled_from(["mean", "max"]),
    st.sampled_from([1, 4]),
    st.booleans(),
)
def test_nodes_of_one_position_share_values_and_keep_their_visits(seed, rule, value, batch, shared):
    tree = Tree(TreePolicy(rule=rule, value=value, transpositions=shared))
    position, told = walk(tree, np.random.default_rng(seed), 40, batch)
    through, at = dict.fromkeys(position, 0), {}
    for leaf, got in told:
        for node in tree.path(leaf):
            through[node] += 1
            if got is not None:
                at.setdefault(position[node] if shared else node, []).append(got)
    first = {}
    for node, name in position.items():
        first.setdefault(name, node)
        assert tree.visits([node])[0] == through[node]
        assert tree.first_of([node])[0] == (first[name] if shared else node)
        values = at.get(name if shared else node, [])
        expected = np.nan if not values else max(values) if value == "max" else sum(values) / len(values)
        assert tree.q([node])[0] == pytest.approx(expected, nan_ok=True)
    assert len(first) < len(position) or len(told) < 3


def test_a_value_found_one_way_is_known_the_other_way():
    """By way of a and by way of b the same position is reached: what is found there is known on both ways."""
    tree = Tree(TreePolicy(c=0.1, transpositions=True))
    tree.expand([0], [[0.5, 0.5]], [["a", "b"]])
    tree.backup(tree.select(1), [0.0])
    tree.expand([1, 2], [[1.0], [1.0]], [["ab"], ["ab"]])
    assert tree.first_of([3, 4]).tolist() == [3, 3]
    leaf = tree.select(1).tolist()
    tree.backup(leaf, [5.0])
    assert tree.q([3, 4]).tolist() == [5.0, 5.0]
    assert sorted(tree.visits([3, 4]).tolist()) == [0, 1]


@pytest.mark.parametrize("shared", [False, True])
def test_a_saved_tree_goes_on_as_the_first_would_with_positions(shared, tmp_path):
    def grown(reload):
        tree, rng = Tree(TreePolicy(value="max", transpositions=shared)), np.random.default_rng(3)
        for rounds in (7, 1):
            for _ in range(rounds):
                leaves = tree.select(3)
                keys = [[f"p{(int(leaf) * 7 + i) % 11}" for i in range(3)] for leaf in leaves]
                tree.expand(leaves, [[0.2, 0.3, 0.5]] * len(leaves), keys)
                tree.backup(leaves, rng.random(len(leaves)))
            if reload:
                tree.save(tmp_path)
                tree = Tree.load(tmp_path)
        return tree

    one, two = grown(False), grown(True)
    nodes = np.arange(len(one))
    assert len(one) == len(two)
    assert np.array_equal(one.q(nodes), two.q(nodes), equal_nan=True)
    assert one.first_of(nodes).tolist() == two.first_of(nodes).tolist()
    assert (one.first_of(nodes).tolist() == nodes.tolist()) != shared


def test_a_root_that_is_named_late_is_refused_where_values_are_shared():
    tree = Tree(TreePolicy(transpositions=True))
    tree.expand([0], [[1.0]], [["a"]])
    with pytest.raises(SolverError, match="named before"):
        tree.name_root("a")
