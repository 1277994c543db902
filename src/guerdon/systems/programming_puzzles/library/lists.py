# mypy: ignore-errors
"""Lists of numbers."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class DistinctShares(Generator):
    @staticmethod
    def sat(x: List[int], total=100, n=8):
        """Share out all the marbles among n children so that everyone gets some and no two get the same."""
        return len(x) == n and len(set(x)) == n and min(x) > 0 and sum(x) == total

    @staticmethod
    def sol(total, n):
        return [*range(1, n), total - n * (n - 1) // 2]

    def gen_random(self):
        n = self.random.randrange(3, 20)
        self.add(total=n * (n + 1) // 2 + self.random.randrange(100), n=n)


class ThreeAverages(Generator):
    @staticmethod
    def sat(x: List[int], mean=10, median=7, top=25):
        """Find five positive numbers with this mean, this median and this largest member."""
        return len(x) == 5 and sum(x) == 5 * mean and sorted(x)[2] == median and max(x) == top and min(x) > 0

    @staticmethod
    def sol(mean, median, top):
        low = range(1, median + 1)
        rest = 5 * mean - median - top
        return next([a, b, median, rest - a - b, top] for a in low for b in low if median <= rest - a - b <= top)

    def gen_random(self):
        x = sorted(self.random.randrange(1, 60) for _ in range(5))
        if sum(x) % 5 == 0:
            self.add(mean=sum(x) // 5, median=x[2], top=x[4])


class MessyShelf(Generator):
    @staticmethod
    def sat(x: List[int], n=7, k=12):
        """Shelve volumes 1 to n so that exactly k pairs of them stand in the wrong order."""
        wrong = sum(x[i] > x[j] for j in range(len(x[:20])) for i in range(j))
        return sorted(x) == list(range(1, n + 1)) and wrong == k

    @staticmethod
    def sol(n, k):
        shelf, left = [], list(range(1, n + 1))
        while left:
            i = min(k, len(left) - 1)
            shelf.append(left.pop(i))
            k -= i
        return shelf

    def gen_random(self):
        n = self.random.randrange(4, 12)
        self.add(n=n, k=self.random.randrange(1, n * (n - 1) // 2 + 1))


class UpsAndDowns(Generator):
    @staticmethod
    def sat(x: List[int], signs="<<><>>"):
        """Arrange the numbers 1, 2, 3, ... so that each sign stands truthfully between its two neighbours."""
        fits = all(a < b if sign == "<" else a > b for a, b, sign in zip(x, x[1:], signs))
        return sorted(x) == list(range(1, len(signs) + 2)) and fits

    @staticmethod
    def sol(signs):
        low, high = 1, len(signs) + 1
        x = []
        for sign in signs + "<":
            x.append(low if sign == "<" else high)
            low, high = (low + 1, high) if sign == "<" else (low, high - 1)
        return x

    def gen_random(self):
        self.add(signs="".join(self.random.choice("<>") for _ in range(self.random.randrange(4, 14))))


class Zipper(Generator):
    @staticmethod
    def sat(x: List[int], left=[1, 3, 5], right=[2, 4, 6]):
        """Close the zipper: teeth from the left and from the right take turns, starting on the left."""
        return x[::2] == left and x[1::2] == right

    @staticmethod
    def sol(left, right):
        return [v for pair in zip(left, right) for v in pair]

    def gen_random(self):
        n = self.random.randrange(2, 8)
        left, right = ([self.random.randrange(100) for _ in range(n)] for _ in range(2))
        self.add(left=left, right=right)


class OdometerTrips(Generator):
    @staticmethod
    def sat(x: List[int], readings=[12, 30, 31, 75]):
        """The odometer started at zero and showed these readings after each trip. How long were the trips?"""
        return len(x) == len(readings) and all(sum(x[: i + 1]) == r for i, r in enumerate(readings))

    @staticmethod
    def sol(readings):
        return [b - a for a, b in zip([0, *readings], readings)]

    def gen_random(self):
        self.add(readings=sorted(self.random.randrange(1, 900) for _ in range(self.random.randrange(4, 10))))


class StairHeights(Generator):
    @staticmethod
    def sat(x: List[int], steps=[3, -1, 4, -2], lowest=10):
        """Rebuild a path from its rises and falls, with its lowest point at the given height."""
        return len(x) == len(steps) + 1 and [b - a for a, b in zip(x, x[1:])] == steps and min(x) == lowest

    @staticmethod
    def sol(steps, lowest):
        path = [0]
        for step in steps:
            path.append(path[-1] + step)
        return [height - min(path) + lowest for height in path]

    def gen_random(self):
        steps = [self.random.randrange(-9, 10) for _ in range(self.random.randrange(3, 12))]
        self.add(steps=steps, lowest=self.random.randrange(1, 50))


class GuestList(Generator):
    @staticmethod
    def sat(x: List[str], servings={"soup": 2, "fish": 1, "cake": 3}):
        """Write an order, one dish per line, that asks for each dish exactly as often as the table says."""
        return {dish: x.count(dish) for dish in x} == servings and x == sorted(x)

    @staticmethod
    def sol(servings):
        return sorted(dish for dish, times in servings.items() for _ in range(times))

    def gen_random(self):
        dishes = self.random.sample(["tea", "toast", "stew", "rice", "plums", "bread"], 4)
        self.add(servings={dish: self.random.randrange(1, 6) for dish in dishes})


class FairSlices(Generator):
    @staticmethod
    def sat(x: List[List[int]], loaf=[4, 1, 2, 3, 2, 2, 5, 1, 1], eaters=3):
        """Cut the row of numbers into consecutive slices, one per eater, all with the same sum."""
        return len(x) == eaters and [v for s in x for v in s] == loaf and all(sum(s) * eaters == sum(loaf) for s in x)

    @staticmethod
    def sol(loaf, eaters):
        slices = [[]]
        for v in loaf:
            if sum(slices[-1]) * eaters == sum(loaf):
                slices.append([])
            slices[-1].append(v)
        return slices

    def gen_random(self):
        eaters, share, loaf = self.random.randrange(2, 6), self.random.randrange(10, 30), []
        for _ in range(eaters):
            cuts = sorted(self.random.sample(range(1, share), 2))
            loaf += [b - a for a, b in zip([0, *cuts], [*cuts, share])]
        self.add(loaf=loaf, eaters=eaters)


class ShippingCrates(Generator):
    @staticmethod
    def sat(x: List[List[List[int]]], goods=[1, 2, 3, 4, 5, 6, 7, 8], crates=2, rows=2):
        """Stow the goods in order into crates of equal rows, every row equally long."""
        flat = [v for crate in x for row in crate for v in row]
        shape = {len(row) for crate in x for row in crate}
        return flat == goods and len(x) == crates and len(shape) == 1 and all(len(crate) == rows for crate in x)

    @staticmethod
    def sol(goods, crates, rows):
        k = len(goods) // (crates * rows)
        lines = [goods[i : i + k] for i in range(0, len(goods), k)]
        return [lines[i : i + rows] for i in range(0, len(lines), rows)]

    def gen_random(self):
        crates, rows, k = (self.random.randrange(2, 5) for _ in range(3))
        self.add(goods=[self.random.randrange(100) for _ in range(crates * rows * k)], crates=crates, rows=rows)


class GiftVoucher(Generator):
    @staticmethod
    def sat(x: List[int], prices=[14, 3, 27, 19, 8], voucher=35):
        """Name two different items, by position, that use up the voucher exactly."""
        return len(x) == 2 and 0 <= x[0] < x[1] < len(prices) and prices[x[0]] + prices[x[1]] == voucher

    @staticmethod
    def sol(prices, voucher):
        n = range(len(prices))
        return next([i, j] for j in n for i in range(j) if prices[i] + prices[j] == voucher)

    def gen_random(self):
        prices = [self.random.randrange(1, 200) for _ in range(self.random.randrange(5, 30))]
        self.add(prices=prices, voucher=sum(self.random.sample(prices, 2)))


class RisingLine(Generator):
    @staticmethod
    def sat(x: List[int], heights=[5, 1, 4, 2, 3, 9, 6, 7], k=5):
        """Ask k people to step forward, keeping their places, so that they stand in order of height."""
        apart = all(0 <= i < j < len(heights) and heights[i] < heights[j] for i, j in zip(x, x[1:]))
        return len(x) == k and apart

    @staticmethod
    def sol(heights, k):
        best = []
        for j, height in enumerate(heights):
            best.append([*max((b for i, b in enumerate(best) if heights[i] < height), key=len, default=[]), j])
        return next(b for b in best if len(b) == k)

    def gen_random(self):
        heights = self.random.sample(range(140, 200), self.random.randrange(8, 30))
        best = []
        for height in heights:
            best.append(1 + max((b for i, b in enumerate(best) if heights[i] < height), default=0))
        self.add(heights=heights, k=max(best))


class SwapSort(Generator):
    @staticmethod
    def sat(x: List[List[int]], row=[4, 0, 1, 3, 2], most=3):
        """Sort the row with few swaps; each swap names two positions."""
        row = list(row)
        for i, j in x[:most]:
            row[i], row[j] = row[j], row[i]
        return len(x) <= most and row == sorted(row)

    @staticmethod
    def sol(row, most):
        row, swaps = list(row), []
        for i in range(len(row)):
            while row[i] != i:
                j = row[i]
                swaps.append([i, j])
                row[i], row[j] = row[j], row[i]
        return swaps

    def gen_random(self):
        row = self.random.sample(range(n := self.random.randrange(5, 12)), n)
        cycles, seen = 0, set()
        for i in range(n):
            cycles += i not in seen
            while i not in seen:
                seen.add(i)
                i = row[i]
        if cycles < n:
            self.add(row=row, most=n - cycles)


class MountainRange(Generator):
    @staticmethod
    def sat(x: List[int], heights=[1, 2, 3, 4, 5, 6]):
        """Reorder the heights so that valleys and peaks alternate, starting in a valley."""
        zigzag = all(a < b if i % 2 == 0 else a > b for i, (a, b) in enumerate(zip(x, x[1:])))
        return sorted(x) == sorted(heights) and zigzag

    @staticmethod
    def sol(heights):
        x = sorted(heights)
        for i in range(1, len(x) - 1, 2):
            x[i], x[i + 1] = x[i + 1], x[i]
        return x

    def gen_random(self):
        self.add(heights=self.random.sample(range(100), self.random.randrange(4, 12)))


class EqualTaste(Generator):
    @staticmethod
    def sat(x: List[float], recipe=[2.0, 3.0, 5.0]):
        """Scale the recipe so that the amounts add up to 1 and still taste the same (to within 1e-9)."""
        same = all(abs(v * sum(recipe) - amount) < 1e-9 for v, amount in zip(x, recipe))
        return len(x) == len(recipe) and abs(sum(x) - 1) < 1e-9 and same

    @staticmethod
    def sol(recipe):
        return [amount / sum(recipe) for amount in recipe]

    def gen_random(self):
        self.add(recipe=[self.random.randrange(1, 40) / 4 for _ in range(self.random.randrange(2, 7))])


class RunningAverage(Generator):
    @staticmethod
    def sat(x: List[float], averages=[4.0, 5.0, 7.0]):
        """These are the averages after one, two, three, ... marks. What were the marks (to within 1e-6)?"""
        means = [sum(x[: i + 1]) / (i + 1) for i in range(len(x[:50]))]
        return len(x) == len(averages) and all(abs(m - a) < 1e-6 for m, a in zip(means, averages))

    @staticmethod
    def sol(averages):
        totals = [a * (i + 1) for i, a in enumerate(averages)]
        return [b - a for a, b in zip([0.0, *totals], totals)]

    def gen_random(self):
        self.add(averages=[self.random.randrange(1, 40) / 4 for _ in range(self.random.randrange(3, 9))])


class FirstTimers(Generator):
    @staticmethod
    def sat(x: List[int], guests=[3, 1, 3, 2, 1, 7]):
        """List the guests in the order in which each came for the first time."""
        places = [guests.index(v) for v in x]
        return set(x) == set(guests) and all(a < b for a, b in zip(places, places[1:]))

    @staticmethod
    def sol(guests):
        return list(dict.fromkeys(guests))

    def gen_random(self):
        self.add(guests=[self.random.randrange(8) for _ in range(self.random.randrange(6, 20))])
