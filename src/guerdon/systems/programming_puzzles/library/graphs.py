# mypy: ignore-errors
"""Networks of roads, friends and tasks."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class _RandomGraph(Generator):
    def edges(self, n, m, *planted):
        """Random edges on 0..n-1 besides the planted ones, sorted, each once."""
        pairs = {tuple(sorted(edge)) for edge in planted}
        while len(pairs) < m:
            pairs.add(tuple(sorted(self.random.sample(range(n), 2))))
        return sorted(map(list, pairs))


class PaintTheMap(_RandomGraph):
    @staticmethod
    def sat(x: List[int], borders=[[0, 1], [1, 2], [2, 0], [2, 3]], countries=4, paints=3):
        """Give each country one of the paints 1, 2, ... so that neighbours never look alike."""
        return len(x) == countries and all(1 <= c <= paints for c in x) and all(x[a] != x[b] for a, b in borders)

    @staticmethod
    def sol(borders, countries, paints):
        x = [0] * countries

        def paint(i):
            if i == countries:
                return True
            for c in range(1, paints + 1):
                if all(x[a] != c for a, b in borders + [[b, a] for a, b in borders] if b == i):
                    x[i] = c
                    if paint(i + 1):
                        return True
            x[i] = 0
            return False

        paint(0)
        return x

    def gen_random(self):
        n = self.random.randrange(6, 14)
        paint = [self.random.randrange(3) for _ in range(n)]
        self.add(borders=[[a, b] for a, b in self.edges(n, 2 * n) if paint[a] != paint[b]], countries=n, paints=3)


class PostRoute(_RandomGraph):
    @staticmethod
    def sat(x: List[int], roads=[[0, 1, 7], [1, 2, 3], [0, 2, 12], [2, 3, 1]], start=0, end=3, most=11):
        """Ride from start to end along roads [a, b, miles], in either direction, within the mileage."""
        miles = {(a, b): w for a, b, w in roads} | {(b, a): w for a, b, w in roads}
        return x[0] == start and x[-1] == end and sum(miles[leg] for leg in zip(x, x[1:])) <= most

    @staticmethod
    def sol(roads, start, end, most):
        best = {start: (0, [start])}
        for _ in roads:
            for a, b, w in roads + [[b, a, w] for a, b, w in roads]:
                if a in best and (b not in best or best[a][0] + w < best[b][0]):
                    best[b] = (best[a][0] + w, [*best[a][1], b])
        return best[end][1]

    def gen_random(self):
        n = self.random.randrange(5, 12)
        roads = [[a, b, self.random.randrange(1, 30)] for a, b in self.edges(n, 2 * n, *zip(range(n), range(1, n)))]
        length = [0] + [10**6] * (n - 1)
        for _ in range(n):
            for a, b, w in roads:
                length[a], length[b] = min(length[a], length[b] + w), min(length[b], length[a] + w)
        self.add(roads=roads, start=0, end=n - 1, most=length[-1])


class VisitEveryRoom(_RandomGraph):
    @staticmethod
    def sat(x: List[int], doors=[[0, 1], [1, 2], [2, 3], [0, 3]], rooms=4):
        """Walk through the museum so that you stand in every room exactly once."""
        return sorted(x) == list(range(rooms)) and all([a, b] in doors or [b, a] in doors for a, b in zip(x, x[1:]))

    @staticmethod
    def sol(doors, rooms):
        def walk(path):
            if len(path) == rooms:
                return path
            for a, b in doors + [[b, a] for a, b in doors]:
                if a == path[-1] and b not in path:
                    found = walk([*path, b])
                    if found:
                        return found

        return next(path for path in (walk([start]) for start in range(rooms)) if path)

    def gen_random(self):
        n = self.random.randrange(5, 10)
        order = self.random.sample(range(n), n)
        self.add(doors=self.edges(n, n + 3, *zip(order, order[1:])), rooms=n)


class LampPosts(_RandomGraph):
    @staticmethod
    def sat(x: List[int], streets=[[0, 1], [1, 2], [1, 3], [3, 4]], most=2):
        """Put lamps on few crossings so that every street is lit from at least one of its ends."""
        return len(x) <= most and all(a in x or b in x for a, b in streets)

    @staticmethod
    def sol(streets, most):
        from itertools import combinations

        crossings = sorted({c for street in streets for c in street})
        return next(list(x) for x in combinations(crossings, most) if all(a in x or b in x for a, b in streets))

    def gen_random(self):
        n, k = self.random.randrange(6, 11), self.random.randrange(2, 5)
        lit = self.random.sample(range(n), k)
        self.add(streets=[[a, b] for a, b in self.edges(n, 2 * n) if a in lit or b in lit], most=k)


class QuietGuests(_RandomGraph):
    @staticmethod
    def sat(x: List[int], quarrels=[[0, 1], [1, 2], [2, 3], [3, 4]], people=5, seats=3):
        """Invite as many people as there are seats, no two of whom quarrel."""
        return (
            len(set(x)) == len(x) == seats
            and all(0 <= p < people for p in x)
            and all(a not in x or b not in x for a, b in quarrels)
        )

    @staticmethod
    def sol(quarrels, people, seats):
        from itertools import combinations

        return next(
            list(x) for x in combinations(range(people), seats) if all(a not in x or b not in x for a, b in quarrels)
        )

    def gen_random(self):
        n, k = self.random.randrange(7, 13), self.random.randrange(3, 6)
        quiet = set(self.random.sample(range(n), k))
        self.add(quarrels=[e for e in self.edges(n, 2 * n) if not set(e) <= quiet], people=n, seats=k)


class GettingDressed(_RandomGraph):
    @staticmethod
    def sat(x: List[int], before=[[0, 1], [2, 1], [1, 3]], things=4):
        """Order all things so that in each pair the first comes before the second, socks before shoes."""
        return sorted(x) == list(range(things)) and all(x.index(a) < x.index(b) for a, b in before)

    @staticmethod
    def sol(before, things):
        x = []
        while len(x) < things:
            x.append(next(t for t in range(things) if t not in x and all(a in x for a, b in before if b == t)))
        return x

    def gen_random(self):
        n = self.random.randrange(5, 12)
        names = self.random.sample(range(n), n)
        self.add(before=[[names[a], names[b]] for a, b in self.edges(n, n + 3)], things=n)


class CheapestCable(_RandomGraph):
    @staticmethod
    def sat(x: List[int], offers=[[0, 1, 4], [1, 2, 2], [0, 2, 5], [2, 3, 1]], houses=4, budget=7):
        """Accept offers [house, house, price], named by their position, to connect all houses within the budget."""
        linked = {0}
        for _ in range(houses):
            for i in x[: len(offers)]:
                a, b, _price = offers[i]
                if a in linked or b in linked:
                    linked |= {a, b}
        return len(linked) == houses and len(set(x)) == len(x) and sum(offers[i][2] for i in x) <= budget

    @staticmethod
    def sol(offers, houses, budget):
        group, x = list(range(houses)), []
        for _price, a, b, i in sorted((price, a, b, i) for i, (a, b, price) in enumerate(offers)):
            if group[a] != group[b]:
                x.append(i)
                group = [group[a] if g == group[b] else g for g in group]
        return x

    def gen_random(self):
        n = self.random.randrange(5, 11)
        edges = self.edges(n, 2 * n, *zip(range(n), range(1, n)))
        prices = self.random.sample(range(1, 60), len(edges))
        offers, group, budget = [[a, b, p] for (a, b), p in zip(edges, prices)], list(range(n)), 0
        for price, a, b in sorted((p, a, b) for a, b, p in offers):
            if group[a] != group[b]:
                group = [group[a] if g == group[b] else g for g in group]
                budget += price
        self.add(offers=offers, houses=n, budget=budget)


class EveryBridgeOnce(_RandomGraph):
    @staticmethod
    def sat(x: List[int], bridges=[[0, 1], [1, 2], [2, 0], [0, 3]]):
        """Stroll over every bridge exactly once. List the banks you stand on, one after the other."""
        return sorted(sorted(step) for step in zip(x, x[1:])) == sorted(sorted(bridge) for bridge in bridges)

    @staticmethod
    def sol(bridges):
        def stroll(x, left):
            if not left:
                return x
            for i, (a, b) in enumerate(left):
                if x[-1] in (a, b):
                    found = stroll([*x, a + b - x[-1]], left[:i] + left[i + 1 :])
                    if found:
                        return found

        return next(x for x in (stroll([bank], bridges) for bank in sorted(sum(bridges, []))) if x)

    def gen_random(self):
        x = [0]
        used = set()
        for _ in range(self.random.randrange(6, 13)):
            free = [b for b in range(6) if b != x[-1] and frozenset((x[-1], b)) not in used]
            if free:
                x.append(self.random.choice(free))
                used.add(frozenset(x[-2:]))
        self.add(bridges=sorted(sorted(step) for step in zip(x, x[1:])))


class CoatsAndPegs(Generator):
    @staticmethod
    def sat(x: List[int], reach=[[0, 1], [0, 2], [1]]):
        """Each child can reach some pegs. Name a peg for each, so that no peg is shared."""
        return len(set(x)) == len(x) == len(reach) and all(peg in pegs for peg, pegs in zip(x, reach))

    @staticmethod
    def sol(reach):
        owner = {}

        def place(child, tried):
            for peg in reach[child]:
                if peg not in tried:
                    tried.add(peg)
                    if peg not in owner or place(owner[peg], tried):
                        owner[peg] = child
                        return True
            return False

        for child in range(len(reach)):
            place(child, set())
        return sorted(owner, key=owner.get)

    def gen_random(self):
        n = self.random.randrange(5, 12)
        pegs = self.random.sample(range(n), n)
        self.add(reach=[sorted({peg, self.random.randrange(n), self.random.randrange(n)}) for peg in pegs])


class TableOfFriends(_RandomGraph):
    @staticmethod
    def sat(x: List[int], friends=[[0, 1], [1, 2], [0, 2], [2, 3]], k=3):
        """Find k people who are all friends with one another."""
        return len(set(x)) == len(x) == k and all([a, b] in friends or [b, a] in friends for a in x for b in x if a < b)

    @staticmethod
    def sol(friends, k):
        from itertools import combinations

        people = sorted({p for pair in friends for p in pair})
        return next(
            list(x) for x in combinations(people, k) if all(list(pair) in friends for pair in combinations(x, 2))
        )

    def gen_random(self):
        n, k = self.random.randrange(7, 12), self.random.randrange(3, 6)
        clique = sorted(self.random.sample(range(n), k))
        pairs = [(a, b) for a in clique for b in clique if a < b]
        self.add(friends=self.edges(n, len(pairs) + n, *pairs), k=k)


class FireStations(_RandomGraph):
    @staticmethod
    def sat(x: List[int], roads=[[0, 1], [0, 2], [2, 3], [3, 4]], towns=5, stations=2):
        """Build few fire stations so that every town has one, or has a neighbour that does."""
        reached = set(x) | {b for a, b in roads if a in x} | {a for a, b in roads if b in x}
        return len(x) <= stations and reached == set(range(towns))

    @staticmethod
    def sol(roads, towns, stations):
        from itertools import combinations

        for x in combinations(range(towns), stations):
            reached = set(x) | {b for a, b in roads if a in x} | {a for a, b in roads if b in x}
            if reached == set(range(towns)):
                return list(x)

    def gen_random(self):
        n, k = self.random.randrange(7, 12), self.random.randrange(2, 4)
        centres = self.random.sample(range(n), k)
        spokes = [(self.random.choice(centres), b) for b in range(n) if b not in centres]
        self.add(roads=self.edges(n, n, *spokes), towns=n, stations=k)


class TwoTeams(_RandomGraph):
    @staticmethod
    def sat(x: List[bool], rivals=[[0, 1], [1, 2], [2, 3], [3, 0]], players=4):
        """Send each player to the red team (True) or the blue one, so that rivals never share a team."""
        return len(x) == players and all(x[a] != x[b] for a, b in rivals)

    @staticmethod
    def sol(rivals, players):
        x = [None] * players
        for start in range(players):
            if x[start] is None:
                x[start] = True
            for _ in range(players):
                for a, b in rivals + [[b, a] for a, b in rivals]:
                    if x[a] is not None and x[b] is None:
                        x[b] = not x[a]
        return x

    def gen_random(self):
        n = self.random.randrange(5, 13)
        red = set(self.random.sample(range(n), n // 2))
        self.add(rivals=[[a, b] for a, b in self.edges(n, 2 * n) if (a in red) != (b in red)], players=n)


class WeakLink(Generator):
    @staticmethod
    def sat(x: List[int], links=[[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [4, 5], [5, 3]], nodes=6):
        """Find the link whose loss would split the network."""
        kept = [link for link in links if sorted(link) != sorted(x)]
        linked = {0}
        for _ in range(nodes):
            linked |= {a for a, b in kept if b in linked} | {b for a, b in kept if a in linked}
        return len(x) == 2 and len(kept) == len(links) - 1 and len(linked) < nodes

    @staticmethod
    def sol(links, nodes):
        for cut in links:
            linked = {0}
            for _ in range(nodes):
                for a, b in links:
                    if [a, b] != cut and (a in linked or b in linked):
                        linked |= {a, b}
            if len(linked) < nodes:
                return cut

    def gen_random(self):
        k, m = self.random.randrange(3, 6), self.random.randrange(3, 6)
        left = [[i, (i + 1) % k] for i in range(k)]
        right = [[k + i, k + (i + 1) % m] for i in range(m)]
        bridge = [self.random.randrange(k), k + self.random.randrange(m)]
        self.add(links=sorted([*left, *right, bridge]), nodes=k + m)


class FamilyTree(Generator):
    @staticmethod
    def sat(x: List[int], ties=[[0, 1], [1, 2], [1, 3]], root=2):
        """The ties form a tree. For each person name the parent on the way to the root; the root's parent is -1."""
        pairs = {frozenset((child, parent)) for child, parent in enumerate(x) if child != root}
        return len(x) == len(ties) + 1 and x[root] == -1 and pairs == {frozenset(tie) for tie in ties}

    @staticmethod
    def sol(ties, root):
        x = [-1] * (len(ties) + 1)
        todo = [root]
        for parent in todo:
            for a, b in ties + [[b, a] for a, b in ties]:
                if a == parent and b != x[parent]:
                    x[b] = parent
                    todo.append(b)
        return x

    def gen_random(self):
        n = self.random.randrange(5, 14)
        ties = sorted([self.random.randrange(i), i] for i in range(1, n))
        self.add(ties=ties, root=self.random.randrange(n))


class Handshakes(Generator):
    @staticmethod
    def sat(x: List[List[int]], hands=[2, 2, 1, 1]):
        """Arrange handshakes between different people, no pair twice, so that person i shakes hands[i] hands."""
        pairs = {frozenset(pair) for pair in x}
        met = all(sum(i in pair for pair in pairs) == count for i, count in enumerate(hands))
        return len(pairs) == len(x) == sum(hands) // 2 and all(len(p) == 2 for p in x) and met

    @staticmethod
    def sol(hands):
        left, pairs = list(hands), []
        while any(left):
            i = left.index(max(left))
            partners = sorted((j for j in range(len(left)) if j != i), key=lambda j: -left[j])[: left[i]]
            pairs += [[i, j] for j in partners]
            left = [0 if j == i else v - (j in partners) for j, v in enumerate(left)]
        return pairs

    def gen_random(self):
        n = self.random.randrange(5, 11)
        hands = [0] * n
        for i in range(n):
            for j in range(i):
                if self.random.random() < 0.5:
                    hands[i] += 1
                    hands[j] += 1
        if sum(hands):
            self.add(hands=hands)


class TreeFromLeaves(Generator):
    @staticmethod
    def sat(x: List[List[int]], picked=[3, 3, 1]):
        """Grow a tree on 0, 1, ... from a log of its pruning.

        The smallest leaf was cut off again and again, until two nodes remained, and each time its neighbour was noted.
        """
        edges, log = [list(edge) for edge in x], []
        if len(edges) != len(picked) + 1 or {len(edge) for edge in edges} != {2}:
            return False
        for _ in picked:
            ends = [node for edge in edges for node in edge]
            leaf = min(node for node in ends if ends.count(node) == 1)
            edge = next(edge for edge in edges if leaf in edge)
            log.append(sum(edge) - leaf)
            edges.remove(edge)
        return log == picked and {node for edge in x for node in edge} == set(range(len(picked) + 2))

    @staticmethod
    def sol(picked):
        left, edges = list(range(len(picked) + 2)), []
        for i, neighbour in enumerate(picked):
            leaf = min(node for node in left if node not in picked[i:])
            left.remove(leaf)
            edges.append([leaf, neighbour])
        return [*edges, left]

    def gen_random(self):
        n = self.random.randrange(5, 12)
        self.add(picked=[self.random.randrange(n) for _ in range(n - 2)])


class DownhillRun(_RandomGraph):
    @staticmethod
    def sat(x: List[int], slopes=[[0, 1], [1, 2], [0, 2], [2, 3]], k=4):
        """Each slope leads one way down. Find a run that passes k huts."""
        return len(x) == k and all([a, b] in slopes for a, b in zip(x, x[1:]))

    @staticmethod
    def sol(slopes, k):
        runs = [[hut] for hut in sorted({hut for slope in slopes for hut in slope})]
        for _ in range(k - 1):
            runs = list(
                {run[-1]: run for run in ([*run, b] for run in runs for a, b in slopes if a == run[-1])}.values()
            )
        return runs[0]

    def gen_random(self):
        n, k = self.random.randrange(7, 13), self.random.randrange(4, 7)
        planted = sorted(self.random.sample(range(n), k))
        self.add(slopes=self.edges(n, n + 3, *zip(planted, planted[1:])), k=k)
