# mypy: ignore-errors
"""Choosing, arranging and counting."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class AllSumsDiffer(Generator):
    @staticmethod
    def sat(x: List[int], k=5, most=13):
        """Find k ascending numbers from 1 to `most` such that no two pairs have the same sum.

        A number may be paired with itself.
        """
        sums = {a + b for i, a in enumerate(x[:20]) for b in x[: i + 1]}
        return len(x) == k and x == sorted(x) and x[0] > 0 and x[-1] <= most and len(sums) == k * (k + 1) // 2

    @staticmethod
    def sol(k, most):
        def choose(x, gaps):
            if len(x) == k:
                return x
            for v in range(x[-1] + 1, most + 1):
                new = {v - w for w in x}
                if not new & gaps:
                    found = choose([*x, v], gaps | new)
                    if found:
                        return found

        return choose([1], set())

    def gen(self, n):
        for k, most in [(4, 7), (6, 18), (7, 27), (8, 40)][:n]:
            self.add(k=k, most=most)


class NoSumInside(Generator):
    @staticmethod
    def sat(x: List[int], n=9, k=5):
        """Choose k different numbers from 1 to n of which none is the sum of two others or twice another."""
        chosen = set(x[:200])
        return (
            len(chosen) == len(x) == k and all(0 < v <= n for v in x) and not any(a + b in chosen for a in x for b in x)
        )

    @staticmethod
    def sol(n, k):
        return list(range(n, n - k, -1))

    def gen_random(self):
        n = self.random.randrange(6, 90)
        self.add(n=n, k=(n + 1) // 2)


class ShuffleOfOrder(Generator):
    @staticmethod
    def sat(x: List[int], cards=7, order=12):
        """Find a shuffle, card i going to place x[i], that restores the pack after `order` repeats but no sooner."""
        if sorted(x) != list(range(cards)):
            return False
        pack, repeats = list(x), 1
        while pack != list(range(cards)) and repeats <= order:
            pack, repeats = [x[i] for i in pack], repeats + 1
        return repeats == order

    @staticmethod
    def sol(cards, order):
        x, start, p = list(range(cards)), 0, 2
        while order > 1:
            cycle = 1
            while order % p == 0:
                order, cycle = order // p, cycle * p
            if cycle > 1:
                x[start : start + cycle] = [*range(start + 1, start + cycle), start]
                start += cycle
            p += 1
        return x

    def gen(self, n):
        for cards, order in [(5, 6), (10, 30), (12, 60), (16, 140)][:n]:
            self.add(cards=cards, order=order)


class PeaksOfTheTrail(Generator):
    @staticmethod
    def sat(s: str, steps=10, peaks=3, height=3):
        """Hike U and D, ending at the level of the start and never below it, over so many peaks, the highest given."""
        levels = [s[:i].count("U") - s[:i].count("D") for i in range(len(s[:100]) + 1)]
        valid = len(s) == steps and set(s) == {"U", "D"} and min(levels) == levels[-1] == 0
        return valid and s.count("UD") == peaks and max(levels) == height

    @staticmethod
    def sol(steps, peaks, height):
        rest = steps // 2 - height
        small = peaks - 1
        tall = rest - small + 1 if small else 0
        trail = "U" * height + "D" * height
        return trail + ("U" * tall + "D" * tall + "UD" * (small - 1) if small else "")

    def gen(self, n):
        for steps, peaks, height in [(12, 2, 4), (20, 4, 6), (30, 5, 8), (40, 9, 9)][:n]:
            self.add(steps=steps, peaks=peaks, height=height)


class NoEvenSteps(Generator):
    @staticmethod
    def sat(x: List[bool], n=8):
        """Colour the numbers 1 to n with two colours so that no three equally spaced ones share a colour."""
        triples = [(i, i + d, i + 2 * d) for d in range(1, n) for i in range(n - 2 * d)]
        return len(x) == n and not any(x[a] == x[b] == x[c] for a, b, c in triples)

    @staticmethod
    def sol(n):
        from itertools import product

        triples = [(i, i + d, i + 2 * d) for d in range(1, n) for i in range(n - 2 * d)]
        return next(
            list(x) for x in product([True, False], repeat=n) if not any(x[a] == x[b] == x[c] for a, b, c in triples)
        )

    def gen(self, n):
        for size in [5, 6, 7][:n]:
            self.add(n=size)


class SumFreeColours(Generator):
    @staticmethod
    def sat(x: List[int], n=13, colours=3):
        """Colour 1 to n so that no number has the colour of two numbers (or one taken twice) that add up to it."""
        painted = len(x) == n and all(0 < c <= colours for c in x)
        return painted and not any(
            x[a - 1] == x[b - 1] == x[a + b - 1] for a in range(1, n) for b in range(a, n - a + 1)
        )

    @staticmethod
    def sol(n, colours):
        def paint(x):
            v = len(x) + 1
            if v > n:
                return x
            for c in range(1, colours + 1):
                if not any(x[a - 1] == x[v - a - 1] == c for a in range(1, v // 2 + 1)):
                    found = paint([*x, c])
                    if found:
                        return found

        return paint([])

    def gen(self, n):
        for size, colours in [(4, 2), (10, 3), (12, 3), (32, 4)][:n]:
            self.add(n=size, colours=colours)


class TriosOnce(Generator):
    @staticmethod
    def sat(x: List[List[int]], walkers=7):
        """Let walkers 1, 2, ... go out in threes, so that every two of them walk together exactly once."""
        pairs = sorted(sorted(pair) for a, b, c in x[:200] for pair in ([a, b], [a, c], [b, c]))
        return pairs == [[a, b] for a in range(1, walkers + 1) for b in range(a + 1, walkers + 1)]

    @staticmethod
    def sol(walkers):
        def walk(x, met):
            pair = next(
                ((a, b) for a in range(1, walkers) for b in range(a + 1, walkers + 1) if (a, b) not in met), None
            )
            if pair is None:
                return x
            a, b = pair
            for c in range(b + 1, walkers + 1):
                if (a, c) not in met and (b, c) not in met:
                    found = walk([*x, [a, b, c]], met | {(a, b), (a, c), (b, c)})
                    if found:
                        return found

        return walk([], frozenset())

    def gen(self, n):
        for walkers in [3, 9, 13][:n]:
            self.add(walkers=walkers)


class LeagueSchedule(Generator):
    @staticmethod
    def sat(x: List[List[List[int]]], teams=4):
        """Plan a league of rounds: in each all teams 1, 2, ... play once, and over the season every two meet once."""
        rounds = len(x) == teams - 1 and all(sorted(sum(r, [])) == list(range(1, teams + 1)) for r in x)
        games = [tuple(sorted(game)) for r in x for game in r]
        return rounds and all(len(game) == 2 for game in games) and len(set(games)) == teams * (teams - 1) // 2

    @staticmethod
    def sol(teams):
        m = teams - 1
        return [[[r + 1, teams]] + [[(r + k) % m + 1, (r - k) % m + 1] for k in range(1, teams // 2)] for r in range(m)]

    def gen(self, n):
        for teams in [2, 6, 8, 12][:n]:
            self.add(teams=teams)


class EveryDistinctSplit(Generator):
    @staticmethod
    def sat(x: List[List[int]], n=9, count=8):
        """List all ways to write n as a sum of different positive numbers, each in descending order."""
        falling = all(
            sum(split) == n and min(split) > 0 and all(a > b for a, b in zip(split, split[1:])) for split in x
        )
        return len(x) == count and falling and len({tuple(split) for split in x}) == count

    @staticmethod
    def sol(n, count):
        def splits(n, most):
            if n == 0:
                return [[]]
            return [[v, *rest] for v in range(min(n, most), 0, -1) for rest in splits(n - v, v - 1)]

        return splits(n, n)

    def gen(self, n):
        for size, count in [(6, 4), (12, 15), (16, 32), (20, 64)][:n]:
            self.add(n=size, count=count)


class EveryOrderInOneLine(Generator):
    @staticmethod
    def sat(s: str, letters="abc", longest=9):
        """Write a short line in which every order of the letters can be found somewhere."""
        from itertools import permutations

        return len(s) <= longest and all("".join(p) in s for p in permutations(letters))

    @staticmethod
    def sol(letters, longest):
        line = letters[0]
        for i in range(1, len(letters)):
            words = [line[k : k + i] for k in range(len(line) - i + 1)]
            line = ""
            for word in dict.fromkeys(w for w in words if len(set(w)) == i):
                new = word + letters[i] + word
                k = next(k for k in range(len(new), -1, -1) if line.endswith(new[:k]))
                line += new[k:]
        return line

    def gen(self, n):
        for letters, longest in [("xy", 3), ("1234", 33), ("tango", 153)][:n]:
            self.add(letters=letters, longest=longest)


class FarApartWords(Generator):
    @staticmethod
    def sat(x: List[str], length=5, distance=3, count=4):
        """Invent code words of bits, any two of which differ in many places."""
        words = len(x) == count and all(len(w) == length and set(w) <= {"0", "1"} for w in x)
        return words and all(sum(a != b for a, b in zip(v, w)) >= distance for i, v in enumerate(x) for w in x[:i])

    @staticmethod
    def sol(length, distance, count):
        x = []
        for v in range(2**length):
            w = f"{v:0{length}b}"
            if all(sum(a != b for a, b in zip(w, u)) >= distance for u in x):
                x.append(w)
        return x[:count]

    def gen(self, n):
        for length, distance, count in [(6, 3, 8), (7, 3, 16), (7, 4, 8), (8, 4, 16)][:n]:
            self.add(length=length, distance=distance, count=count)


class NoLongTrend(Generator):
    @staticmethod
    def sat(x: List[int], n=3):
        """Order 1 to n*n so that nowhere n + 1 of them, neighbours or not, only rise or only fall."""
        if sorted(x) != list(range(1, n * n + 1)):
            return False
        rise, fall = [], []
        for i, v in enumerate(x):
            rise.append(1 + max((rise[j] for j in range(i) if x[j] < v), default=0))
            fall.append(1 + max((fall[j] for j in range(i) if x[j] > v), default=0))
        return max(rise + fall) <= n

    @staticmethod
    def sol(n):
        return [block * n + n - i for block in range(n) for i in range(n)]

    def gen(self, n):
        for size in [2, 4, 5, 8][:n]:
            self.add(n=size)
