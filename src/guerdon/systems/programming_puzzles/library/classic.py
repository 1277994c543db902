# mypy: ignore-errors
"""Modest classics, retold."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class MagicSquare(Generator):
    @staticmethod
    def sat(x: List[List[int]], n=3, corner=8):
        """Fill a square with 1 to n*n so that rows, columns and both diagonals agree; one corner is given."""
        lines = [*x, *map(list, zip(*x)), [row[i] for i, row in enumerate(x)], [row[-1 - i] for i, row in enumerate(x)]]
        numbers = sorted(v for row in x for v in row)
        return (
            numbers == list(range(1, n * n + 1))
            and len({sum(line) for line in lines}) == 1
            and (len(x) == n and x[0][0] == corner)
        )

    @staticmethod
    def sol(n, corner):
        three = [[2, 7, 6], [9, 5, 1], [4, 3, 8]]
        square = three if n == 3 else [[16, 3, 2, 13], [5, 10, 11, 8], [9, 6, 7, 12], [4, 15, 14, 1]]
        while square[0][0] != corner:
            square = [list(row) for row in zip(*square[::-1])]
        return square

    def gen(self, n):
        for size, corner in [(3, 2), (4, 16), (4, 13), (3, 6)][:n]:
            self.add(n=size, corner=corner)


class TwinSpacing(Generator):
    @staticmethod
    def sat(x: List[int], n=3):
        """Lay out two cards of each number 1 to n so that exactly k cards lie between the two cards numbered k."""
        pairs = sorted(x) == sorted([*range(1, n + 1)] * 2)
        return pairs and all(x[::-1].index(k) + x.index(k) + k + 2 == 2 * n for k in range(1, n + 1))

    @staticmethod
    def sol(n):
        def place(x, k):
            if k == 0:
                return x
            for i in range(2 * n - k - 1):
                if x[i] == 0 == x[i + k + 1]:
                    y = list(x)
                    y[i] = y[i + k + 1] = k
                    found = place(y, k - 1)
                    if found:
                        return found

        return place([0] * 2 * n, n)

    def gen(self, n):
        for k in [4, 7, 8, 11][:n]:
            self.add(n=k)


class AllCodesRing(Generator):
    @staticmethod
    def sat(s: str, letters="01", n=3):
        """Write letters around a ring so that every word of n letters can be read exactly once."""
        size = len(letters) ** n
        ring = s + s[: n - 1]
        return len(s) == size and set(s) <= set(letters) and len({ring[i : i + n] for i in range(size)}) == size

    @staticmethod
    def sol(letters, n):
        s, seen = letters[0] * n, {letters[0] * n}
        for _ in range(len(letters) ** n - 1):
            s += next(c for c in reversed(letters) if s[len(s) - n + 1 :] + c not in seen)
            seen.add(s[-n:])
        return s[: len(letters) ** n]

    def gen(self, n):
        for letters, k in [("ab", 5), ("xyz", 3), ("0123", 3), ("01", 8)][:n]:
            self.add(letters=letters, n=k)


class ThriftyRuler(Generator):
    @staticmethod
    def sat(x: List[int], marks=4, length=6):
        """Mark a ruler, ends included, so that no two pairs of marks are equally far apart."""
        gaps = {b - a for a in x[:20] for b in x[:20] if a < b}
        return (
            len(x) == marks
            and x == sorted(x)
            and x[0] == 0
            and x[-1] == length
            and len(gaps) == marks * (marks - 1) // 2
        )

    @staticmethod
    def sol(marks, length):
        def mark(x, gaps):
            if len(x) == marks:
                return x if x[-1] == length else None
            for v in range(x[-1] + 1, length + 1):
                new = {v - w for w in x}
                if not new & gaps:
                    found = mark([*x, v], gaps | new)
                    if found:
                        return found

        return mark([0], set())

    def gen(self, n):
        for marks, length in [(5, 11), (6, 17), (7, 25), (7, 26)][:n]:
            self.add(marks=marks, length=length)


class DigitWhirlpool(Generator):
    @staticmethod
    def sat(n: int, k=5):
        """Sort four digits down and up and subtract, again and again. Which start first hits 6174 after k rounds?"""
        if not 1000 <= n <= 9999 or n == 6174:
            return False
        for _ in range(k):
            if n == 6174:
                return False
            digits = "".join(sorted(f"{n:04d}"))
            n = int(digits[::-1]) - int(digits)
        return n == 6174

    @staticmethod
    def sol(k):
        for start in range(1000, 10000):
            n, rounds = start, 0
            while n not in (0, 6174):
                digits = "".join(sorted(f"{n:04d}"))
                n, rounds = int(digits[::-1]) - int(digits), rounds + 1
            if n and rounds == k:
                return start

    def gen(self, n):
        for k in [1, 3, 6, 7][:n]:
            self.add(k=k)


class HailstoneFlight(Generator):
    @staticmethod
    def sat(n: int, k=20, most=3000):
        """Halve even numbers, triple odd ones and add one. Find a start that first falls to 1 after exactly k steps."""
        steps = 0
        if not 1 < n <= most:
            return False
        while n != 1 and steps <= k:
            n, steps = n // 2 if n % 2 == 0 else 3 * n + 1, steps + 1
        return n == 1 and steps == k

    @staticmethod
    def sol(k, most):
        for start in range(2, most + 1):
            n, steps = start, 0
            while n != 1:
                n, steps = n // 2 if n % 2 == 0 else 3 * n + 1, steps + 1
            if steps == k:
                return start

    def gen(self, n):
        for k, most in [(15, 200), (111, 30), (130, 400), (178, 1000)][:n]:
            self.add(k=k, most=most)


class RabbitChange(Generator):
    @staticmethod
    def sat(x: List[int], n=100):
        """Pay n with coins 1, 2, 3, 5, 8, 13, ..., in descending order, never a coin and its neighbour, none twice."""
        coins = [1, 2]
        while coins[-1] < n:
            coins.append(coins[-1] + coins[-2])
        places = [coins.index(v) for v in x]
        return sum(x) == n and all(a - b > 1 for a, b in zip(places, places[1:]))

    @staticmethod
    def sol(n):
        coins, x = [1, 2], []
        while coins[-1] < n:
            coins.append(coins[-1] + coins[-2])
        for coin in reversed(coins):
            if coin <= n:
                x.append(coin)
                n -= coin
        return x

    def gen_random(self):
        self.add(n=self.random.randrange(50, 100000))


class OneSwitchAtATime(Generator):
    @staticmethod
    def sat(x: List[str], n=3):
        """Run through all words of n bits, from all zeros and back again at the end, changing one bit at a time."""
        words = len(set(x)) == len(x) == 2**n and all(len(w) == n and set(w) <= {"0", "1"} for w in x)
        return (
            words and x[0] == "0" * n and all(sum(a != b for a, b in zip(v, w)) == 1 for v, w in zip(x, x[1:] + x[:1]))
        )

    @staticmethod
    def sol(n):
        return [f"{i ^ (i >> 1):0{n}b}" for i in range(2**n)]

    def gen(self, n):
        for bits in [2, 4, 5, 7][:n]:
            self.add(n=bits)


class LastOneStanding(Generator):
    @staticmethod
    def sat(n: int, people=41, count=3):
        """In a circle of people, counted from 1, every so-many-th leaves until one is left. Which place is safe?"""
        circle, i = list(range(1, people + 1)), 0
        while len(circle) > 1:
            i = (i + count - 1) % len(circle)
            circle.pop(i)
        return circle == [n]

    @staticmethod
    def sol(people, count):
        place = 0
        for size in range(2, people + 1):
            place = (place + count) % size
        return place + 1

    def gen_random(self):
        self.add(people=self.random.randrange(10, 300), count=self.random.randrange(2, 12))


class NumberAboutItself(Generator):
    @staticmethod
    def sat(s: str, n=10):
        """Find n digits of which the first counts the zeros, the next the ones, and so on, all in that same number."""
        return len(s) == n and s.isdigit() and all(s.count(str(i)) == int(c) for i, c in enumerate(s))

    @staticmethod
    def sol(n):
        known = {4: "1210", 5: "21200"}
        return known.get(n, f"{n - 4}21{'0' * (n - 7)}1000")

    def gen(self, n):
        for size in [4, 5, 7, 8][:n]:
            self.add(n=size)


class SayWhatYouSee(Generator):
    @staticmethod
    def sat(s: str, said="312211"):
        """Read a row of digits aloud, as in "three ones, two twos": which row sounds like this?"""
        from itertools import groupby

        return (
            len(s) < 1000 and s.isdigit() and "".join(f"{len(list(run))}{digit}" for digit, run in groupby(s)) == said
        )

    @staticmethod
    def sol(said):
        return "".join(int(said[i]) * said[i + 1] for i in range(0, len(said), 2))

    def gen_random(self):
        said, last = "", ""
        for _ in range(self.random.randrange(2, 9)):
            last = self.random.choice([d for d in "123456789" if d != last])
            said += str(self.random.randrange(1, 10)) + last
        self.add(said=said)


class LetterArithmetic(Generator):
    @staticmethod
    def sat(x: List[int], letters="GOTU", add=["TO", "GO"], total="OUT"):
        """Give each of the `letters`, in their order, its own digit so that the sum holds. No word starts with 0."""
        digit = dict(zip(letters, map(str, x)))
        if len(set(x)) != len(letters) or len(x) != len(letters) or not all(0 <= d <= 9 for d in x):
            return False
        values = [int("".join(digit[c] for c in word)) for word in [*add, total]]
        return sum(values[:-1]) == values[-1] and all(digit[word[0]] != "0" for word in [*add, total])

    @staticmethod
    def sol(letters, add, total):
        from itertools import permutations

        for x in permutations("0123456789", len(letters)):
            table = str.maketrans(letters, "".join(x))
            words = [word.translate(table) for word in [*add, total]]
            if all(word[0] != "0" for word in words) and sum(map(int, words[:-1])) == int(words[-1]):
                return list(map(int, x))

    def gen(self, n):
        sums = [("EMB", ["ME", "ME"], "BEE"), ("ASMO", ["AS", "A"], "MOM"), ("IDLE", ["I", "DID"], "LEL")]
        sums += [("PUSE", ["UP", "UP"], "SUE")]
        for letters, add, total in sums[:2][:n]:
            self.add(letters=letters, add=add, total=total)


class WeighEverything(Generator):
    @staticmethod
    def sat(x: List[int], weights=3, heaviest=13):
        """Choose few weights with which a balance, using both pans, weighs every amount from 1 to the heaviest."""
        reach = {0}
        for w in x[:8]:
            reach = {total + side * w for total in reach for side in (-1, 0, 1)}
        return len(x) == weights and min(x) > 0 and all(amount in reach for amount in range(1, heaviest + 1))

    @staticmethod
    def sol(weights, heaviest):
        return [3**i for i in range(weights)]

    def gen(self, n):
        for weights, heaviest in [(2, 4), (4, 35), (4, 40), (6, 300)][:n]:
            self.add(weights=weights, heaviest=heaviest)


class PostageStamps(Generator):
    @staticmethod
    def sat(x: List[int], kinds=3, stamps=3, reach=15):
        """Choose the values of the kinds of stamp so that a few stamps make up every postage from 1 to the reach."""
        totals = {0}
        for _ in range(stamps):
            totals |= {total + v for total in totals for v in x[:6] if total + v <= reach}
        return len(x) == kinds and min(x) > 0 and len(totals) == reach + 1

    @staticmethod
    def sol(kinds, stamps, reach):
        def search(x):
            totals = {0}
            for _ in range(stamps):
                totals |= {total + v for total in totals for v in x}
            gap = next(v for v in range(1, 10**6) if v not in totals)
            if len(x) == kinds:
                return x if gap > reach else None
            return next(filter(None, (search([*x, v]) for v in range(gap, x[-1], -1))), None)

        return search([1])

    def gen(self, n):
        for kinds, stamps, reach in [(2, 3, 7), (3, 4, 24), (4, 3, 24), (3, 5, 35)][:n]:
            self.add(kinds=kinds, stamps=stamps, reach=reach)


class SquareNeighbours(Generator):
    @staticmethod
    def sat(x: List[int], n=15):
        """Line up 1 to n so that any two neighbours add up to a square."""
        return sorted(x) == list(range(1, n + 1)) and all(int((a + b) ** 0.5) ** 2 == a + b for a, b in zip(x, x[1:]))

    @staticmethod
    def sol(n):
        near = {
            a: [b for b in range(1, n + 1) if b != a and int((a + b) ** 0.5) ** 2 == a + b] for a in range(1, n + 1)
        }

        def extend(x):
            if len(x) == n:
                return x
            for b in sorted(near[x[-1]], key=lambda b: len(near[b])):
                if b not in x:
                    found = extend([*x, b])
                    if found:
                        return found

        return next(x for x in (extend([a]) for a in sorted(near, key=lambda a: len(near[a]))) if x)

    def gen(self, n):
        for size in [16, 17, 23, 25][:n]:
            self.add(n=size)


class PrimeNecklace(Generator):
    @staticmethod
    def sat(x: List[int], n=6):
        """String beads 1 to n into a ring so that any two neighbours add up to a prime."""
        sums = [a + b for a, b in zip(x, x[1:] + x[:1])]
        return sorted(x) == list(range(1, n + 1)) and all(s % d for s in sums for d in range(2, int(s**0.5) + 1))

    @staticmethod
    def sol(n):
        def prime(s):
            return all(s % d for d in range(2, int(s**0.5) + 1))

        def extend(x):
            if len(x) == n:
                return x if prime(x[0] + x[-1]) else None
            for b in range(2, n + 1):
                if b not in x and prime(x[-1] + b):
                    found = extend([*x, b])
                    if found:
                        return found

        return extend([1])

    def gen(self, n):
        for size in [4, 8, 12, 14][:n]:
            self.add(n=size)


class MagicTriangle(Generator):
    @staticmethod
    def sat(x: List[int], side=10):
        """Write 1 to 6 around a triangle, corners at the 1st, 3rd and 5th place, so that each side adds up right."""
        ring = x + x[:1]
        return sorted(x) == [1, 2, 3, 4, 5, 6] and all(sum(ring[i : i + 3]) == side for i in (0, 2, 4))

    @staticmethod
    def sol(side):
        from itertools import permutations

        return next(
            list(x) for x in permutations(range(1, 7)) if all(sum((x + x[:1])[i : i + 3]) == side for i in (0, 2, 4))
        )

    def gen(self, n):
        for side in [9, 11, 12][:n]:
            self.add(side=side)


class HappyMarriages(Generator):
    @staticmethod
    def sat(x: List[int], hers=[[0, 1, 2], [1, 0, 2], [0, 2, 1]], his=[[1, 0, 2], [0, 1, 2], [2, 1, 0]]):
        """Give woman i the man x[i] so that no man and woman prefer each other to their own partners.

        Each row ranks the other side, the favourite first.
        """
        if sorted(x) != list(range(len(hers))):
            return False
        return not any(
            hers[w].index(m) < hers[w].index(x[w]) and his[m].index(w) < his[m].index(x.index(m))
            for w in range(len(x))
            for m in range(len(x))
        )

    @staticmethod
    def sol(hers, his):
        partner, free, asked = {}, list(range(len(hers))), [0] * len(hers)
        while free:
            w = free.pop()
            m = hers[w][asked[w]]
            asked[w] += 1
            if m in partner and his[m].index(partner[m]) < his[m].index(w):
                free.append(w)
                continue
            if m in partner:
                free.append(partner[m])
            partner[m] = w
        return sorted(partner, key=partner.get)

    def gen_random(self):
        n = self.random.randrange(4, 9)
        hers, his = ([self.random.sample(range(n), n) for _ in range(n)] for _ in range(2))
        self.add(hers=hers, his=his)
