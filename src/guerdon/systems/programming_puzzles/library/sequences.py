# mypy: ignore-errors
"""Sequences: continuing them, explaining them and finding things in them."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class OwnFibonacci(Generator):
    @staticmethod
    def sat(x: List[int], n=10, term=123):
        """Choose two starting numbers, 0 < a < b, so that adding the last two over and over makes this n-th number."""
        if len(x) != 2 or not 0 < x[0] < x[1]:
            return False
        a, b = x
        for _ in range(n - 1):
            a, b = b, a + b
        return a == term

    @staticmethod
    def sol(n, term):
        p, q = 1, 0
        for _ in range(n - 1):
            p, q = q, p + q
        return next(
            [a, (term - p * a) // q] for a in range(1, term) if (term - p * a) % q == 0 and (term - p * a) // q > a
        )

    def gen_random(self):
        a = self.random.randrange(1, 30)
        b, n = a + self.random.randrange(1, 30), self.random.randrange(5, 20)
        c, d = a, b
        for _ in range(n - 1):
            c, d = d, c + d
        self.add(n=n, term=c)


class HiddenStaircase(Generator):
    @staticmethod
    def sat(x: List[int], numbers=[3, 7, 8, 11, 14, 15, 20], k=4):
        """Find k of the numbers, ascending, that are equally spaced."""
        gaps = {b - a for a, b in zip(x, x[1:])}
        return len(x) == k and len(gaps) == 1 and min(gaps) > 0 and all(v in numbers for v in x)

    @staticmethod
    def sol(numbers, k):
        starts = ([a + i * (b - a) for i in range(k)] for a in numbers for b in numbers if a < b)
        return next(x for x in starts if all(v in numbers for v in x))

    def gen_random(self):
        k, a, d = self.random.randrange(4, 8), self.random.randrange(20), self.random.randrange(2, 15)
        numbers = {a + i * d for i in range(k)} | {self.random.randrange(100) for _ in range(12)}
        self.add(numbers=sorted(numbers), k=k)


class EvenRatio(Generator):
    @staticmethod
    def sat(x: List[int], first=3, last=768, terms=5):
        """Grow from first to last in so many terms, multiplying by the same whole number each time."""
        steady = all(b % a == 0 and b // a == x[1] // x[0] for a, b in zip(x, x[1:]))
        return len(x) == terms and x[0] == first and x[-1] == last and steady

    @staticmethod
    def sol(first, last, terms):
        ratio = next(r for r in range(2, last) if first * r ** (terms - 1) == last)
        return [first * ratio**i for i in range(terms)]

    def gen_random(self):
        first, terms = self.random.randrange(2, 50), self.random.randrange(3, 9)
        self.add(first=first, last=first * self.random.randrange(2, 12) ** (terms - 1), terms=terms)


class RuleOfTwo(Generator):
    @staticmethod
    def sat(x: List[int], row=[1, 1, 5, 13, 41, 121]):
        """From the third on, each number is p times the one before plus q times the one before that. Find [p, q]."""
        return len(x) == 2 and all(x[0] * b + x[1] * a == c for a, b, c in zip(row, row[1:], row[2:]))

    @staticmethod
    def sol(row):
        a, b, c, d = row[:4]
        k = a * c - b * b
        return [(a * d - b * c) // k, (c * c - b * d) // k]

    def gen_random(self):
        p, q = self.random.randrange(-9, 10), self.random.randrange(-9, 10)
        row = [self.random.randrange(-5, 6), self.random.randrange(-5, 6)]
        for _ in range(6):
            row.append(p * row[-1] + q * row[-2])
        if row[0] * row[2] != row[1] ** 2:
            self.add(row=row)


class ThrownBall(Generator):
    @staticmethod
    def sat(x: List[int], heights=[2, 9, 14, 17]):
        """At the times 0, 1, 2, ... a ball was seen at these heights a*t*t + b*t + c. Find [a, b, c]."""
        return len(x) == 3 and all(x[0] * t * t + x[1] * t + x[2] == h for t, h in enumerate(heights))

    @staticmethod
    def sol(heights):
        a = (heights[2] - 2 * heights[1] + heights[0]) // 2
        return [a, heights[1] - heights[0] - a, heights[0]]

    def gen_random(self):
        a, b, c = self.random.randrange(-9, 0), self.random.randrange(50), self.random.randrange(1, 60)
        self.add(heights=[a * t * t + b * t + c for t in range(self.random.randrange(4, 8))])


class NextInLine(Generator):
    @staticmethod
    def sat(n: int, row=[1, 4, 9, 16, 25], depth=3):
        """Continue the row so that taking differences of neighbours, `depth` times over, leaves only zeros."""
        row = [*row, n]
        for _ in range(depth):
            row = [b - a for a, b in zip(row, row[1:])]
        return not any(row)

    @staticmethod
    def sol(row, depth):
        ends = []
        for _ in range(depth):
            ends.append(row[-1])
            row = [b - a for a, b in zip(row, row[1:])]
        return sum(ends)

    def gen_random(self):
        depth = self.random.randrange(2, 6)
        factors = [self.random.randrange(1, 6) for _ in range(depth)]
        self.add(row=[sum(f * t**i for i, f in enumerate(factors)) for t in range(depth + 2)], depth=depth)


class BetweenTwoFractions(Generator):
    @staticmethod
    def sat(x: List[int], low=[1, 3], high=[2, 5], most=8):
        """Find a fraction [p, q] strictly between the two given ones whose lower number is not too large."""
        return len(x) == 2 and 0 < x[1] <= most and low[0] * x[1] < x[0] * low[1] and x[0] * high[1] < high[0] * x[1]

    @staticmethod
    def sol(low, high, most):
        return [low[0] + high[0], low[1] + high[1]]

    def gen_random(self):
        a, b, c, d = 0, 1, 1, 1
        for _ in range(self.random.randrange(4, 15)):
            a, b, c, d = self.random.choice([(a + c, b + d, c, d), (a, b, a + c, b + d)])
        self.add(low=[a, b], high=[c, d], most=b + d)


class LeftRightToFraction(Generator):
    @staticmethod
    def sat(s: str, p=5, q=8):
        """Start between 0/1 and 1/0. Each L or R goes below or above the mixed fraction (tops and bottoms added).

        Which steps lead to p/q?
        """
        a, b, c, d = 0, 1, 1, 0
        for step in s[:200]:
            a, b, c, d = (a, b, a + c, b + d) if step == "L" else (a + c, b + d, c, d)
        return len(s) <= 200 and set(s) <= {"L", "R"} and [a + c, b + d] == [p, q]

    @staticmethod
    def sol(p, q):
        steps = ""
        while p != q:
            if p < q:
                steps, q = steps + "L", q - p
            else:
                steps, p = steps + "R", p - q
        return steps

    def gen(self, n):
        for p, q in [(7, 3), (19, 31), (355, 113), (41, 29)][:n]:
            self.add(p=p, q=q)


class WhenIsItVisited(Generator):
    @staticmethod
    def sat(n: int, house=24):
        """A postman starts at house 0; at step k he goes k houses back if that house exists and is new, else k forward.

        At which step does he come to this house?
        """
        place, seen = 0, {0}
        if not 0 < n < 50000:
            return False
        for k in range(1, n + 1):
            place = place - k if place - k > 0 and place - k not in seen else place + k
            seen.add(place)
        return place == house

    @staticmethod
    def sol(house):
        place, seen, k = 0, {0}, 0
        while place != house:
            k += 1
            place = place - k if place - k > 0 and place - k not in seen else place + k
            seen.add(place)
        return k

    def gen(self, n):
        for house in [5, 42, 43, 123][:n]:
            self.add(house=house)


class SelfReadingRuns(Generator):
    @staticmethod
    def sat(x: List[int], n=12):
        """Write n ones and twos, starting with a two, such that the lengths of its runs spell the sequence itself.

        The last run may be cut short.
        """
        from itertools import groupby

        runs = [len(list(run)) for _, run in groupby(x)]
        return len(x) == n and set(x) <= {1, 2} and x[0] == 2 and max(runs) < 3 and runs[:-1] == x[: len(runs) - 1]

    @staticmethod
    def sol(n):
        x, i = [2, 2], 1
        while len(x) < n:
            x += [3 - x[-1]] * x[i]
            i += 1
        return x[:n]

    def gen(self, n):
        for size in [5, 25, 60, 200][:n]:
            self.add(n=size)
