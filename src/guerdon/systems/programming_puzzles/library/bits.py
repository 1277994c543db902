# mypy: ignore-errors
"""Bits and masks."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class FlipToTarget(Generator):
    @staticmethod
    def sat(n: int, a=0b101100, b=0b011010):
        """Which switches must be flipped, as a number in binary, to turn a into b?"""
        return n ^ a == b

    @staticmethod
    def sol(a, b):
        return a ^ b

    def gen_random(self):
        a, b = self.random.sample(range(1000, 10**6), 2)
        self.add(a=a, b=b)


class ThisManyOnes(Generator):
    @staticmethod
    def sat(n: int, ones=5, low=1000, high=1100):
        """Find a number between the bounds whose binary form has exactly so many ones."""
        return low < n < high and bin(n).count("1") == ones

    @staticmethod
    def sol(ones, low, high):
        return next(n for n in range(low + 1, high) if bin(n).count("1") == ones)

    def gen_random(self):
        n = self.random.randrange(10**4, 10**6)
        self.add(ones=bin(n).count("1"), low=n - self.random.randrange(1, 99), high=n + self.random.randrange(1, 99))


class BitMirror(Generator):
    @staticmethod
    def sat(n: int, width=8, mirrored=0b11010000):
        """Find the number whose binary form, filled up to the width with zeros, reads backwards like this."""
        return 0 < n < 2**width and int(f"{n:0{width}b}"[::-1], 2) == mirrored

    @staticmethod
    def sol(width, mirrored):
        return int(f"{mirrored:0{width}b}"[::-1], 2)

    def gen_random(self):
        width = self.random.randrange(10, 32)
        self.add(width=width, mirrored=self.random.randrange(1, 2**width))


class LonelyBit(Generator):
    @staticmethod
    def sat(n: int, low=1000):
        """Find a number above `low` that vanishes when combined by "and" with its predecessor."""
        return low < n < 10**40 and n & (n - 1) == 0

    @staticmethod
    def sol(low):
        return 2 ** low.bit_length()

    def gen(self, n):
        for low in [70, 10**5, 10**12, 10**30][:n]:
            self.add(low=low)


class UnGray(Generator):
    @staticmethod
    def sat(n: int, code=0b110101):
        """Combined with its own half by "exclusive or", the number gives this code. Which number is it?"""
        return n > 0 and n ^ (n >> 1) == code

    @staticmethod
    def sol(code):
        n = 0
        while code:
            n, code = n ^ code, code >> 1
        return n

    def gen_random(self):
        self.add(code=self.random.randrange(1000, 10**7))


class XorSubset(Generator):
    @staticmethod
    def sat(x: List[int], cards=[9, 14, 3, 7, 12], goal=8):
        """Choose cards, by position and each once, whose "exclusive or" is the goal."""
        value = 0
        for i in x[: len(cards)]:
            value ^= cards[i]
        return 0 < len(set(x)) == len(x) and min(x) >= 0 and value == goal

    @staticmethod
    def sol(cards, goal):
        for code in range(1, 2 ** len(cards)):
            value, x = 0, [i for i in range(len(cards)) if code >> i & 1]
            for i in x:
                value ^= cards[i]
            if value == goal:
                return x

    def gen_random(self):
        cards = [self.random.randrange(1, 2**10) for _ in range(self.random.randrange(7, 14))]
        goal = 0
        for card in self.random.sample(cards, len(cards) // 2):
            goal ^= card
        if goal:
            self.add(cards=cards, goal=goal)


class MaskedMessage(Generator):
    @staticmethod
    def sat(n: int, mask=0b11110000, seen=0b10100000, low=10000):
        """Through the mask only some bits of n can be seen. Find a number above `low` that looks like this."""
        return low < n < 10**12 and n & mask == seen

    @staticmethod
    def sol(mask, seen, low):
        step = 2 ** max(mask.bit_length(), low.bit_length())
        return step + seen

    def gen_random(self):
        mask = self.random.randrange(2**8, 2**14)
        self.add(mask=mask, seen=mask & self.random.randrange(2**14), low=self.random.randrange(2**14, 2**20))


class EquallyFar(Generator):
    @staticmethod
    def sat(n: int, a=0b1111, b=0b0101, distance=3):
        """Find a number, below 2**20, whose bits differ from a in exactly so many places, and from b in as many."""
        return 0 < n < 2**20 and bin(n ^ a).count("1") == bin(n ^ b).count("1") == distance

    @staticmethod
    def sol(a, b, distance):
        return next(n for n in range(1, 2**20) if bin(n ^ a).count("1") == bin(n ^ b).count("1") == distance)

    def gen_random(self):
        a, b = self.random.sample(range(2**12), 2)
        gap = bin(a ^ b).count("1")
        if gap % 2 == 0:
            self.add(a=a, b=b, distance=gap // 2 + self.random.randrange(3))


class LongestRunOfOnes(Generator):
    @staticmethod
    def sat(n: int, ones=9, run=3, width=16):
        """Find a number of exactly `width` bits with so many ones, of which the longest run has this length."""
        runs = bin(n)[2:].split("0")
        return 0 < n < 2**width and n >= 2 ** (width - 1) and sum(map(len, runs)) == ones and max(map(len, runs)) == run

    @staticmethod
    def sol(ones, run, width):
        full, rest = divmod(ones, run)
        s = "0".join(["1" * run] * full + ["1" * rest] * (rest > 0))
        return int(s.ljust(width, "0"), 2)

    def gen_random(self):
        run = self.random.randrange(2, 6)
        ones = run * self.random.randrange(1, 5) + self.random.randrange(run)
        self.add(ones=ones, run=run, width=ones + ones // run + self.random.randrange(1, 9))
