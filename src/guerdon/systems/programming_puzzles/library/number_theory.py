# mypy: ignore-errors
"""Divisors, primes and remainders."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class CrackTheComposite(Generator):
    @staticmethod
    def sat(d: int, n=7081):
        """Find a divisor of n other than 1 and n."""
        return 1 < d < n and n % d == 0

    @staticmethod
    def sol(n):
        return next(d for d in range(2, n) if n % d == 0)

    def gen(self, n):
        for p, q in [(101, 103), (1009, 2003), (10007, 10009), (65537, 104729)][:n]:
            self.add(n=p * q)


class PrimeOnTheStreet(Generator):
    @staticmethod
    def sat(n: int, low=90, high=100):
        """Find a house with a prime number between the two ends of the street."""
        return low <= n <= high and all(n % d for d in range(2, int(n**0.5) + 1))

    @staticmethod
    def sol(low, high):
        return next(n for n in range(low, high + 1) if all(n % d for d in range(2, int(n**0.5) + 1)))

    def gen(self, n):
        for low, high in [(114, 127), (1328, 1361), (31400, 31469), (999984, 1000003)][:n]:
            self.add(low=low, high=high)


class TwinPrimes(Generator):
    @staticmethod
    def sat(x: List[int], low=60):
        """Find two primes above `low`, and below twice as much, that differ by 2."""
        prime = all(low < p < 2 * low and all(p % d for d in range(2, int(p**0.5) + 1)) for p in x)
        return len(x) == 2 and x[1] - x[0] == 2 and prime

    @staticmethod
    def sol(low):
        def prime(p):
            return all(p % d for d in range(2, int(p**0.5) + 1))

        return next([p, p + 2] for p in range(low + 1, 2 * low) if prime(p) and prime(p + 2))

    def gen(self, n):
        for low in [200, 1000, 5000, 20000][:n]:
            self.add(low=low)


class TwoPrimesOneSum(Generator):
    @staticmethod
    def sat(x: List[int], n=100):
        """Write an even number as the sum of two primes."""
        return len(x) == 2 and sum(x) == n and min(x) > 1 and all(p % d for p in x for d in range(2, int(p**0.5) + 1))

    @staticmethod
    def sol(n):
        def prime(p):
            return p > 1 and all(p % d for d in range(2, int(p**0.5) + 1))

        return next([p, n - p] for p in range(2, n) if prime(p) and prime(n - p))

    def gen_random(self):
        self.add(n=2 * self.random.randrange(100, 20000))


class SoldiersInRows(Generator):
    @staticmethod
    def sat(n: int, rows=[3, 5, 7], left=[2, 3, 2]):
        """The general lines the army up in rows of several widths and notes who is left over. How large is the army?"""
        return n > 0 and all(n % row == over for row, over in zip(rows, left))

    @staticmethod
    def sol(rows, left):
        n, step = 0, 1
        for row, over in zip(rows, left):
            while n % row != over:
                n += step
            step *= row
        return n

    def gen_random(self):
        rows = self.random.sample([7, 9, 11, 13, 16, 17, 19, 23, 25], self.random.randrange(3, 7))
        self.add(rows=rows, left=[self.random.randrange(1, row) for row in rows])


class UndoTheMultiplier(Generator):
    @staticmethod
    def sat(n: int, a=7, m=26):
        """On a dial with m marks, which multiplier undoes multiplication by a?"""
        return 0 < n < m and a * n % m == 1

    @staticmethod
    def sol(a, m):
        return pow(a, -1, m)

    def gen_random(self):
        m = self.random.choice([101, 997, 7919, 104729, 1299709])
        self.add(a=self.random.randrange(2, m), m=m)


class HiddenExponent(Generator):
    @staticmethod
    def sat(n: int, g=3, p=101, h=83):
        """Which positive power of g leaves the remainder h on division by p?"""
        return 0 < n < p and pow(g, n, p) == h

    @staticmethod
    def sol(g, p, h):
        value = 1
        for n in range(1, p):
            value = value * g % p
            if value == h:
                return n

    def gen(self, n):
        for g, p, power in [(2, 1019, 777), (5, 10007, 4321), (2, 100003, 54321), (3, 65537, 40000)][:n]:
            self.add(g=g, p=p, h=pow(g, power, p))


class RestlessRoot(Generator):
    @staticmethod
    def sat(g: int, p=41):
        """Find a number above 1 whose powers run through all nonzero remainders modulo the prime p."""
        value, steps = g % p, 1
        while value > 1 and steps < p:
            value, steps = value * g % p, steps + 1
        return 1 < g < p and steps == p - 1 and value == 1

    @staticmethod
    def sol(p):
        primes = [q for q in range(2, p) if (p - 1) % q == 0]
        return next(g for g in range(2, p) if all(pow(g, (p - 1) // q, p) != 1 for q in primes))

    def gen(self, n):
        for p in [71, 191, 1031, 5881][:n]:
            self.add(p=p)


class TwoSquares(Generator):
    @staticmethod
    def sat(x: List[int], n=1105):
        """Tile two square courtyards with exactly n tiles in all, none of them empty."""
        return len(x) == 2 and min(x) > 0 and x[0] ** 2 + x[1] ** 2 == n

    @staticmethod
    def sol(n):
        import math

        return next([a, math.isqrt(n - a * a)] for a in range(1, n) if math.isqrt(n - a * a) ** 2 == n - a * a)

    def gen_random(self):
        self.add(n=self.random.randrange(5, 300) ** 2 + self.random.randrange(5, 300) ** 2)


class SurveyorsRope(Generator):
    @staticmethod
    def sat(x: List[int], rope=132):
        """Stretch the whole rope around a right-angled triangle with whole sides. List them in ascending order."""
        return len(x) == 3 and sum(x) == rope and 0 < x[0] < x[1] and x[0] ** 2 + x[1] ** 2 == x[2] ** 2

    @staticmethod
    def sol(rope):
        for a in range(1, rope // 3):
            b, rest = divmod(rope * (rope - 2 * a), 2 * (rope - a))
            if rest == 0 and a < b:
                return [a, b, rope - a - b]

    def gen(self, n):
        for rope in [12, 234, 1000, 7980][:n]:
            self.add(rope=rope)


class PerfectGift(Generator):
    @staticmethod
    def sat(n: int, low=10):
        """Find a number above `low` that equals the sum of its smaller divisors."""
        return low < n < 10**5 and sum(d for d in range(1, n // 2 + 1) if n % d == 0) == n

    @staticmethod
    def sol(low):
        for p in (2, 3, 5, 7):
            n = 2 ** (p - 1) * (2**p - 1)
            if n > low:
                return n

    def gen(self, n):
        for low in [4, 100, 1000][:n]:
            self.add(low=low)


class FriendlyNumber(Generator):
    @staticmethod
    def sat(n: int, friend=220):
        """Each of two friends is the sum of the smaller divisors of the other. Find the other one."""
        return (
            friend != n
            and 0 < n < 10**5
            and all(sum(d for d in range(1, a // 2 + 1) if a % d == 0) == b for a, b in ((friend, n), (n, friend)))
        )

    @staticmethod
    def sol(friend):
        return sum(d for d in range(1, friend) if friend % d == 0)

    def gen(self, n):
        for friend in [1184, 2924, 5020, 6368][:n]:
            self.add(friend=friend)


class CountTheCoprime(Generator):
    @staticmethod
    def sat(n: int, k=24):
        """Find a number n such that exactly k of 1, ..., n share no factor with it."""
        from math import gcd

        return 0 < n < 5000 and sum(gcd(n, i) == 1 for i in range(1, n + 1)) == k

    @staticmethod
    def sol(k):
        from math import gcd

        return next(n for n in range(k, 5000) if sum(gcd(n, i) == 1 for i in range(1, n + 1)) == k)

    def gen(self, n):
        for k in [32, 72, 120, 440][:n]:
            self.add(k=k)


class ManyDivisors(Generator):
    @staticmethod
    def sat(n: int, k=12, most=100):
        """Find a number, not too large, with exactly k divisors."""
        return 0 < n <= most < 10**5 and sum(n % d == 0 for d in range(1, n + 1)) == k

    @staticmethod
    def sol(k, most):
        return next(n for n in range(1, most + 1) if sum(n % d == 0 for d in range(1, n + 1)) == k)

    def gen(self, n):
        for k, most in [(7, 64), (16, 150), (9, 50), (24, 400)][:n]:
            self.add(k=k, most=most)


class AlmostSquareTwice(Generator):
    @staticmethod
    def sat(x: List[int], d=7):
        """Find positive whole x and y such that x*x is one more than d times y*y."""
        return len(x) == 2 and min(x) > 0 and x[0] ** 2 - d * x[1] ** 2 == 1

    @staticmethod
    def sol(d):
        from math import isqrt

        y = next(y for y in range(1, 10**6) if isqrt(d * y * y + 1) ** 2 == d * y * y + 1)
        return [isqrt(d * y * y + 1), y]

    def gen(self, n):
        for d in [2, 13, 29, 46][:n]:
            self.add(d=d)


class FalseWitness(Generator):
    @staticmethod
    def sat(a: int, n=341):
        """Not prime, yet this n fools some base a strictly between 1 and n - 1: a to the n - 1 leaves 1. Which base?"""
        return 1 < a < n - 1 and pow(a, n - 1, n) == 1

    @staticmethod
    def sol(n):
        return next(a for a in range(2, n) if pow(a, n - 1, n) == 1)

    def gen(self, n):
        for number in [91, 217, 1541, 5461][:n]:
            self.add(n=number)


class PrimeRecipe(Generator):
    @staticmethod
    def sat(x: List[int], n=360):
        """List the primes, smallest first and as often as needed, whose product is n."""
        product = 1
        for p in x[:100]:
            product *= p
        return (
            product == n and x == sorted(x) and min(x) > 1 and all(p % d for p in x for d in range(2, int(p**0.5) + 1))
        )

    @staticmethod
    def sol(n):
        x, d = [], 2
        while n > 1:
            while n % d == 0:
                x.append(d)
                n //= d
            d += 1
        return x

    def gen_random(self):
        self.add(n=self.random.randrange(1000, 50000))


class TwoWaysToCube(Generator):
    @staticmethod
    def sat(x: List[int], low=1000):
        """Find a, b, c, d, all different, with a^3 + b^3 = c^3 + d^3 and that sum above `low`."""
        if len(set(x)) != 4 or len(x) != 4 or min(x) < 1:
            return False
        a, b, c, d = x
        return a**3 + b**3 == c**3 + d**3 > low

    @staticmethod
    def sol(low):
        seen = {}
        for a in range(1, 100):
            for b in range(1, a):
                total = a**3 + b**3
                if total in seen and total > low:
                    return [a, b, *seen[total]]
                seen[total] = [a, b]

    def gen(self, n):
        for low in [2000, 5000, 30000][:n]:
            self.add(low=low)


class RootOnTheDial(Generator):
    @staticmethod
    def sat(x: int, a=10, p=31):
        """Find a number below the prime p whose square leaves the remainder a."""
        return 0 < x < p and x * x % p == a

    @staticmethod
    def sol(a, p):
        return next(x for x in range(1, p) if x * x % p == a)

    def gen_random(self):
        p = self.random.choice([97, 991, 7919, 104729])
        self.add(a=self.random.randrange(2, p) ** 2 % p, p=p)


class PrimeDesert(Generator):
    @staticmethod
    def sat(n: int, k=5):
        """Find n such that none of the k numbers from n on is prime."""
        return 1 < n < 10**6 and all(any(m % d == 0 for d in range(2, int(m**0.5) + 1)) for m in range(n, n + k))

    @staticmethod
    def sol(k):
        run = 0
        for m in range(2, 10**6):
            run = run + 1 if any(m % d == 0 for d in range(2, int(m**0.5) + 1)) else 0
            if run == k:
                return m - k + 1

    def gen(self, n):
        for k in [7, 13, 20, 33][:n]:
            self.add(k=k)


class SharedAndCommon(Generator):
    @staticmethod
    def sat(x: List[int], shared=6, common=180):
        """Find two numbers, the first smaller, with this greatest common divisor; neither divides the other.

        The smallest number that both divide is given as well.
        """
        from math import gcd

        if len(x) != 2 or not 0 < x[0] < x[1] or x[1] % x[0] == 0:
            return False
        return gcd(x[0], x[1]) == shared and x[0] * x[1] == shared * common

    @staticmethod
    def sol(shared, common):
        from math import gcd

        k = common // shared
        return next(
            [a * shared, k // a * shared] for a in range(2, k) if k % a == 0 and a < k // a and gcd(a, k // a) == 1
        )

    def gen(self, n):
        for shared, common in [(4, 140), (12, 432 * 5), (7, 1386), (10, 2310)][:n]:
            self.add(shared=shared, common=common)
