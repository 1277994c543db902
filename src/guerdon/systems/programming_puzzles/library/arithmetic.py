# mypy: ignore-errors
"""Reckoning with numbers, from the farmyard to the bank."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class SumAndDifference(Generator):
    @staticmethod
    def sat(x: List[int], total=40, gap=6):
        """Two boxes weigh this much together, and the first outweighs the second by the gap. What does each weigh?"""
        return len(x) == 2 and x[0] + x[1] == total and x[0] - x[1] == gap

    @staticmethod
    def sol(total, gap):
        return [(total + gap) // 2, (total - gap) // 2]

    def gen_random(self):
        a, b = self.random.randrange(1, 1000), self.random.randrange(1, 1000)
        self.add(total=a + b, gap=a - b)


class HeadsAndLegs(Generator):
    @staticmethod
    def sat(x: List[int], heads=35, legs=94):
        """Hens and goats share a yard. From the heads and the legs, tell how many hens and how many goats."""
        return len(x) == 2 and min(x) >= 0 and sum(x) == heads and 2 * x[0] + 4 * x[1] == legs

    @staticmethod
    def sol(heads, legs):
        goats = legs // 2 - heads
        return [heads - goats, goats]

    def gen_random(self):
        hens, goats = self.random.randrange(1, 200), self.random.randrange(1, 200)
        self.add(heads=hens + goats, legs=2 * hens + 4 * goats)


class PocketOfCoins(Generator):
    @staticmethod
    def sat(x: List[int], amount=87, coins=9, kinds=[1, 5, 10, 25]):
        """Pay the exact amount with exactly so many coins. List them."""
        return len(x) == coins and sum(x) == amount and all(c in kinds for c in x)

    @staticmethod
    def sol(amount, coins, kinds):
        from itertools import combinations_with_replacement

        return next(list(c) for c in combinations_with_replacement(kinds, coins) if sum(c) == amount)

    def gen_random(self):
        kinds = [1, 2, 5, 10, 20]
        coins = self.random.randrange(3, 10)
        self.add(amount=sum(self.random.choices(kinds, k=coins)), coins=coins, kinds=kinds)


class SmudgedReceipt(Generator):
    @staticmethod
    def sat(n: int, printed="6?73?", price=72):
        """The receipt is smudged. Find the total: its readable digits are known, and all items had the same price."""
        digits = str(n)
        fits = len(digits) == len(printed) and all(p in ("?", d) for p, d in zip(printed, digits))
        return fits and n % price == 0

    @staticmethod
    def sol(printed, price):
        start = -(-(10 ** (len(printed) - 1)) // price) * price
        numbers = range(start, 10 ** len(printed), price)
        return next(n for n in numbers if all(p in ("?", d) for p, d in zip(printed, str(n))))

    def gen_random(self):
        price = self.random.randrange(37, 99)
        total = list(str(price * self.random.randrange(10000 // price + 1, 100000 // price)))
        for i in self.random.sample(range(len(total)), 2):
            total[i] = "?"
        self.add(printed="".join(total), price=price)


class MirrorMultiple(Generator):
    @staticmethod
    def sat(n: int, k=4):
        """Find a number that turns into its own mirror image when it is multiplied by k."""
        return 0 < n < 10**30 and int(str(n)[::-1]) == k * n

    @staticmethod
    def sol(k):
        return next(n for n in range(1000, 10000) if int(str(n)[::-1]) == k * n)

    def gen(self, n):
        for k in [9][:n]:
            self.add(k=k)


class DigitPurse(Generator):
    @staticmethod
    def sat(n: int, total=31, digits=4):
        """Find a number with this many digits and this sum of digits."""
        return 0 < n < 10**50 and len(str(n)) == digits and sum(map(int, str(n))) == total

    @staticmethod
    def sol(total, digits):
        number = [1] + [0] * (digits - 1)
        for i in range(digits - 1, -1, -1):
            number[i] += min(9 - number[i], total - sum(number))
        return int("".join(map(str, number)))

    def gen_random(self):
        digits = self.random.randrange(3, 12)
        self.add(total=self.random.randrange(2, 9 * digits), digits=digits)


class DigitProduct(Generator):
    @staticmethod
    def sat(n: int, product=360):
        """Find a number without the digit 1 whose digits multiply to the product."""
        digits = str(n) if 0 < n < 10**40 else "1"
        result = 1
        for d in digits:
            result *= int(d)
        return "1" not in digits and result == product

    @staticmethod
    def sol(product):
        digits = ""
        for d in range(9, 1, -1):
            while product % d == 0:
                digits, product = digits + str(d), product // d
        return int(digits)

    def gen_random(self):
        product = 1
        for _ in range(self.random.randrange(3, 9)):
            product *= self.random.randrange(2, 10)
        self.add(product=product)


class ThereAndBack(Generator):
    @staticmethod
    def sat(x: float, out=30.0, home=60.0):
        """Ride out at one speed and home at another. What is the average speed of the whole trip (within 1e-6)?"""
        return abs(x * (1 / out + 1 / home) - 2) < 1e-6

    @staticmethod
    def sol(out, home):
        return 2 * out * home / (out + home)

    def gen_random(self):
        self.add(out=float(self.random.randrange(5, 50)), home=float(self.random.randrange(50, 90)))


class PatientSaver(Generator):
    @staticmethod
    def sat(n: int, deposit=100, goal=1000, percent=5):
        """Interest is paid once a year. After how many full years does the deposit first reach the goal?"""
        return (
            0 < n < 2000
            and deposit * (100 + percent) ** (n - 1) < goal * 100 ** (n - 1)
            and (deposit * (100 + percent) ** n >= goal * 100**n)
        )

    @staticmethod
    def sol(deposit, goal, percent):
        n = 0
        while deposit * (100 + percent) ** n < goal * 100**n:
            n += 1
        return n

    def gen_random(self):
        deposit = self.random.randrange(50, 500)
        self.add(deposit=deposit, goal=deposit * self.random.randrange(2, 30), percent=self.random.randrange(1, 12))


class RootByHand(Generator):
    @staticmethod
    def sat(x: float, a=2.0):
        """Find the positive square root; its square may miss by 1e-6."""
        return x > 0 and abs(x * x - a) < 1e-6

    @staticmethod
    def sol(a):
        low, high = 0.0, a + 1.0
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if middle * middle < a else (low, middle)
        return low

    def gen_random(self):
        self.add(a=float(self.random.randrange(3, 500)))


class CubicCrossing(Generator):
    @staticmethod
    def sat(x: float, a=30.0):
        """A number and its cube together make a, to within 1e-6."""
        return abs(x) < 1e9 and abs(x**3 + x - a) < 1e-6

    @staticmethod
    def sol(a):
        low, high = -a - 1.0, a + 1.0
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if middle**3 + middle < a else (low, middle)
        return low

    def gen_random(self):
        self.add(a=float(self.random.randrange(5, 400)))


class FractionStaircase(Generator):
    @staticmethod
    def sat(x: List[int], p=43, q=30):
        """Write p/q as a + 1/(b + 1/(c + ...)) and list a, b, c, ..., all positive from b on."""
        top, bottom = 1, 0
        for a in reversed(x[:40]):
            top, bottom = a * top + bottom, top
        return len(x) > 1 and min(x[1:]) > 0 and top * q == bottom * p

    @staticmethod
    def sol(p, q):
        x = []
        while q:
            x.append(p // q)
            p, q = q, p % q
        return x

    def gen_random(self):
        q = self.random.choice([83, 89, 97, 101])
        self.add(p=q * self.random.randrange(1, 9) + self.random.randrange(1, q), q=q)


class ScribesFraction(Generator):
    @staticmethod
    def sat(x: List[int], p=7, q=15, most=6):
        """Write p/q the old Egyptian way: a sum of few fractions 1/d, all different. List the d."""
        from fractions import Fraction

        return len(set(x)) == len(x) <= most and min(x) > 1 and sum(Fraction(1, d) for d in x) == Fraction(p, q)

    @staticmethod
    def sol(p, q, most):
        x = []
        while p:
            d = -(-q // p)
            x.append(d)
            p, q = p * d - q, q * d
        return x

    def gen(self, n):
        for p, q, most in [(3, 7, 3), (5, 11, 5), (13, 17, 6), (9, 20, 3)][:n]:
            self.add(p=p, q=q, most=most)


class EndlessDecimal(Generator):
    @staticmethod
    def sat(n: int, q=7):
        """The decimals of 1/q repeat from the start. How long is the shortest block that repeats?"""
        return 0 < n < q and pow(10, n, q) == 1 and all(pow(10, k, q) != 1 for k in range(1, n))

    @staticmethod
    def sol(q):
        return next(n for n in range(1, q) if pow(10, n, q) == 1)

    def gen(self, n):
        for q in [13, 37, 97, 271][:n]:
            self.add(q=q)


class CensusTaker(Generator):
    @staticmethod
    def sat(x: List[int], product=36, total=13):
        """The ages of three children have this product and total, and one child is the oldest. List them ascending."""
        return len(x) == 3 and 0 < x[0] <= x[1] < x[2] and x[0] * x[1] * x[2] == product and sum(x) == total

    @staticmethod
    def sol(product, total):
        ages = range(1, total)
        return next(
            [a, b, total - a - b]
            for a in ages
            for b in range(a, total)
            if a * b * (total - a - b) == product and b < total - a - b
        )

    def gen_random(self):
        a, b, c = sorted(self.random.randrange(1, 16) for _ in range(3))
        if b < c:
            self.add(product=a * b * c, total=a + b + c)


class AddedToItsMirror(Generator):
    @staticmethod
    def sat(n: int, total=1111):
        """A number and the same number backwards add up to the total. It does not end in zero."""
        return n > 0 and n % 10 > 0 and n < 10**12 and n + int(str(n)[::-1]) == total

    @staticmethod
    def sol(total):
        return next(n for n in range(1, total) if n % 10 and n + int(str(n)[::-1]) == total)

    def gen_random(self):
        n = 10 * self.random.randrange(10, 1000) + self.random.randrange(1, 10)
        self.add(total=n + int(str(n)[::-1]))


class VampireTeeth(Generator):
    @staticmethod
    def sat(x: List[int], low=1200, high=1300):
        """Find two numbers whose product lies in the range and is written with exactly the digits of the two."""
        product = x[0] * x[1] if len(x) == 2 and min(x) > 0 and max(x) < 10**6 else 0
        return low <= product <= high and sorted(str(product)) == sorted(f"{x[0]}{x[1]}")

    @staticmethod
    def sol(low, high):
        return next(
            [a, b]
            for a in range(10, 100)
            for b in range(low // a, high // a + 1)
            if low <= a * b <= high and sorted(str(a * b)) == sorted(f"{a}{b}")
        )

    def gen(self, n):
        for low in [1390, 1525, 2180, 6800][:n]:
            self.add(low=low, high=low + 100)


class TwoButtons(Generator):
    @staticmethod
    def sat(x: List[str], start=1, goal=106, plus=3, times=2, most=9):
        """A toy has a button "add" (plus so much) and a button "mul" (times so much). Reach the goal in few presses."""
        for press in x[:most]:
            start = {"add": start + plus, "mul": start * times}[press]
        return 0 < len(x) <= most and start == goal

    @staticmethod
    def sol(start, goal, plus, times, most):
        level = {start: []}
        while goal not in level:
            level = {
                value: [*path, press]
                for old, path in level.items()
                for press, value in (("add", old + plus), ("mul", old * times))
            }
        return level[goal]

    def gen_random(self):
        start, plus, times = (self.random.randrange(2, 6) for _ in range(3))
        goal, most = start, self.random.randrange(4, 11)
        for _ in range(most):
            goal = self.random.choice([goal + plus, goal * times])
        self.add(start=start, goal=goal, plus=plus, times=times, most=most)
