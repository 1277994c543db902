# mypy: ignore-errors
"""Points, lines and circles."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class PlotOfLand(Generator):
    @staticmethod
    def sat(x: List[List[int]], double_area=30, side=6):
        """Stake out a triangle on the corners of a square grid, 0 to `side`, with the given double area."""
        (a, b), (c, d), (e, f) = x
        inside = all(0 <= v <= side for point in x for v in point)
        return inside and abs((c - a) * (f - b) - (e - a) * (d - b)) == double_area

    @staticmethod
    def sol(double_area, side):
        for c in range(1, side + 1):
            for d in range(side + 1):
                for e in range(side + 1):
                    for f in range(1, side + 1):
                        if c * f - e * d == double_area:
                            return [[0, 0], [c, d], [e, f]]

    def gen(self, n):
        for double_area, side in [(29, 6), (71, 9), (97, 10), (61, 8)][:n]:
            self.add(double_area=double_area, side=side)


class GridPointsOnCircle(Generator):
    @staticmethod
    def sat(x: List[int], radius=13):
        """A circle around the origin passes exactly through a grid point [a, b] with a > b > 0. Which?"""
        return len(x) == 2 and x[0] > x[1] > 0 and x[0] ** 2 + x[1] ** 2 == radius**2

    @staticmethod
    def sol(radius):
        return next([a, b] for a in range(1, radius) for b in range(1, a) if a * a + b * b == radius * radius)

    def gen(self, n):
        for radius in [5, 37, 89, 145][:n]:
            self.add(radius=radius)


class RubberBand(Generator):
    @staticmethod
    def sat(x: List[List[int]], nails=[[0, 0], [4, 0], [2, 1], [4, 4], [0, 4], [1, 3]]):
        """Stretch a rubber band around all nails. List the nails at its bends, anticlockwise, from any start."""

        def turn(p, q, r):
            return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

        sides = list(zip(x, x[1:] + x[:1]))
        bends = all(turn(x[i - 2], x[i - 1], x[i]) > 0 for i in range(len(x)))
        return (
            2 < len(x) <= len(nails)
            and all(p in nails for p in x)
            and bends
            and len(set(map(tuple, x))) == len(x)
            and (all(turn(p, q, nail) >= 0 for p, q in sides for nail in nails))
        )

    @staticmethod
    def sol(nails):
        def turn(p, q, r):
            return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

        halves = []
        for points in (sorted(nails), sorted(nails, reverse=True)):
            half = []
            for p in points:
                while len(half) > 1 and turn(half[-2], half[-1], p) <= 0:
                    half.pop()
                half.append(p)
            halves += half[:-1]
        return halves

    def gen_random(self):
        points = {(self.random.randrange(20), self.random.randrange(20)) for _ in range(self.random.randrange(8, 16))}
        self.add(nails=sorted(map(list, points)))


class BalancePoint(Generator):
    @staticmethod
    def sat(x: List[float], a=[0.0, 0.0], b=[6.0, 1.0], balance=[3.0, 2.0]):
        """A triangle balances on the given point. Two corners are known; find the third, to within 1e-6."""
        return len(x) == 2 and all(abs(a[i] + b[i] + x[i] - 3 * balance[i]) < 1e-6 for i in (0, 1))

    @staticmethod
    def sol(a, b, balance):
        return [3 * balance[i] - a[i] - b[i] for i in (0, 1)]

    def gen_random(self):
        a, b, balance = ([self.random.randrange(-40, 40) / 4 for _ in range(2)] for _ in range(3))
        self.add(a=a, b=b, balance=balance)


class BehindTheMirror(Generator):
    @staticmethod
    def sat(x: List[float], candle=[1.0, 5.0], mirror=[3.0, -4.0, 2.0]):
        """The mirror is the line a*u + b*v = c. Where does the image of the candle seem to stand (within 1e-6)?"""
        a, b, c = mirror
        middle = [(x[0] + candle[0]) / 2, (x[1] + candle[1]) / 2]
        across = (x[0] - candle[0]) * b - (x[1] - candle[1]) * a
        return len(x) == 2 and abs(a * middle[0] + b * middle[1] - c) < 1e-6 and abs(across) < 1e-6

    @staticmethod
    def sol(candle, mirror):
        a, b, c = mirror
        k = 2 * (a * candle[0] + b * candle[1] - c) / (a * a + b * b)
        return [candle[0] - k * a, candle[1] - k * b]

    def gen_random(self):
        a, b, c, u, v = (float(self.random.randrange(1, 12)) for _ in range(5))
        self.add(candle=[u, v], mirror=[a, -b, c])


class WellForThree(Generator):
    @staticmethod
    def sat(x: List[float], farms=[[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]]):
        """Dig a well equally far from all three farms (squared distances agree to within 1e-6)."""
        squares = [(x[0] - a) ** 2 + (x[1] - b) ** 2 for a, b in farms]
        return len(x) == 2 and max(squares) - min(squares) < 1e-6

    @staticmethod
    def sol(farms):
        (a, b), (c, d), (e, f) = farms
        k = 2 * (a * (d - f) + c * (f - b) + e * (b - d))
        p, q, r = a * a + b * b, c * c + d * d, e * e + f * f
        return [(p * (d - f) + q * (f - b) + r * (b - d)) / k, (p * (e - c) + q * (a - e) + r * (c - a)) / k]

    def gen_random(self):
        farms = [[float(self.random.randrange(30)), float(self.random.randrange(30))] for _ in range(3)]
        (a, b), (c, d), (e, f) = farms
        if abs((c - a) * (f - b) - (e - a) * (d - b)) > 9:
            self.add(farms=farms)


class NearestNeighbours(Generator):
    @staticmethod
    def sat(x: List[int], stars=[[0, 0], [5, 5], [9, 1], [6, 7], [2, 9]]):
        """Which two stars, by position in the list, the earlier one first, are closest to each other?"""
        squares = {
            (i, j): (a - c) ** 2 + (b - d) ** 2 for j, (c, d) in enumerate(stars) for i, (a, b) in enumerate(stars[:j])
        }
        return tuple(x) in squares and squares[tuple(x)] == min(squares.values())

    @staticmethod
    def sol(stars):
        n = range(len(stars))
        return list(
            min(
                ((i, j) for j in n for i in range(j)),
                key=lambda p: sum((a - b) ** 2 for a, b in zip(stars[p[0]], stars[p[1]])),
            )
        )

    def gen_random(self):
        points = self.random.sample(range(10000), self.random.randrange(6, 20))
        self.add(stars=[[p // 100, p % 100] for p in points])


class CommonGround(Generator):
    @staticmethod
    def sat(x: List[int], rugs=[[0, 0, 6, 6], [3, 2, 9, 8], [1, 4, 5, 9]]):
        """Rugs [left, bottom, right, top] overlap. Find a grid point strictly inside all of them."""
        return len(x) == 2 and all(a < x[0] < c and b < x[1] < d for a, b, c, d in rugs)

    @staticmethod
    def sol(rugs):
        return [max(rug[0] for rug in rugs) + 1, max(rug[1] for rug in rugs) + 1]

    def gen_random(self):
        u, v, r = self.random.randrange(30, 70), self.random.randrange(30, 70), self.random.randrange
        self.add(rugs=[[u - r(1, 30), v - r(1, 30), u + r(1, 30), v + r(1, 30)] for _ in range(r(2, 6))])


class MissingCorners(Generator):
    @staticmethod
    def sat(x: List[List[int]], corners=[[0, 2], [4, 0]]):
        """Two opposite corners of a square are left of an old foundation. Find the other two."""
        (a, b), (c, d) = corners
        (e, f), (g, h) = x
        square = len({(a - e) ** 2 + (b - f) ** 2, (c - e) ** 2 + (d - f) ** 2, (a - g) ** 2 + (b - h) ** 2}) == 1
        return square and [a + c, b + d] == [e + g, f + h] and (e - a) * (g - a) + (f - b) * (h - b) == 0

    @staticmethod
    def sol(corners):
        (a, b), (c, d) = corners
        u, v = (a + c - b + d) // 2, (b + d + a - c) // 2
        return [[u, v], [a + c - u, b + d - v]]

    def gen_random(self):
        a, b, u, v = (self.random.randrange(-20, 20) for _ in range(4))
        if [u, v] != [0, 0]:
            self.add(corners=[[a, b], [a + u - v, b + v + u]])


class RailwayLine(Generator):
    @staticmethod
    def sat(x: List[int], stations=[[1, 1], [3, 4], [5, 7]]):
        """A straight railway p*u + q*v = r passes all stations. Find whole p, q (not both zero) and r."""
        return len(x) == 3 and (x[0] != 0 or x[1] != 0) and all(x[0] * u + x[1] * v == x[2] for u, v in stations)

    @staticmethod
    def sol(stations):
        (a, b), (c, d) = stations[:2]
        return [d - b, a - c, (d - b) * a + (a - c) * b]

    def gen_random(self):
        a, b = self.random.randrange(-20, 20), self.random.randrange(-20, 20)
        u, v = self.random.randrange(1, 9), self.random.randrange(-9, 9)
        self.add(stations=[[a + k * u, b + k * v] for k in self.random.sample(range(-5, 12), 4)])


class ThreeLegs(Generator):
    @staticmethod
    def sat(x: List[float], a=[0.0, 0.0], b=[8.0, 0.0], c=[0.0, 4.0], load=[2.0, 1.0]):
        """A three-legged table carries a load. Which share of it does each leg carry (to within 1e-6)?

        The shares add up to 1, and the legs weighted with their shares average to the place of the load.
        """
        mean = [x[0] * a[i] + x[1] * b[i] + x[2] * c[i] for i in (0, 1)]
        return len(x) == 3 and abs(sum(x) - 1) < 1e-6 and all(abs(m - v) < 1e-6 for m, v in zip(mean, load))

    @staticmethod
    def sol(a, b, c, load):
        def double_area(p, q, r):
            return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

        whole = double_area(a, b, c)
        return [double_area(b, c, load) / whole, double_area(c, a, load) / whole, double_area(a, b, load) / whole]

    def gen_random(self):
        r = self.random.randrange
        a, b, c = [float(r(5)), float(r(5))], [float(r(20, 25)), float(r(5))], [float(r(5)), float(r(20, 25))]
        self.add(a=a, b=b, c=c, load=[float(r(5, 12)), float(r(5, 12))])


class QuarterTurns(Generator):
    @staticmethod
    def sat(n: int, before=[[1, 0], [2, 1], [0, 3]], after=[[-2, -1], [-1, 0], [0, -3]]):
        """By how many quarter turns anticlockwise around the origin, one to three, was the figure turned?"""
        for _ in range(n if 0 < n < 4 else 0):
            before = [[-b, a] for a, b in before]
        return 0 < n < 4 and sorted(before) == sorted(after)

    @staticmethod
    def sol(before, after):
        for n in (1, 2, 3):
            before = [[-b, a] for a, b in before]
            if sorted(before) == sorted(after):
                return n

    def gen_random(self):
        before = [[self.random.randrange(1, 9), self.random.randrange(9)] for _ in range(4)]
        after = before
        for _ in range(self.random.randrange(1, 4)):
            after = [[-b, a] for a, b in after]
        self.add(before=before, after=sorted(after))


class KeepYourDistance(Generator):
    @staticmethod
    def sat(x: List[List[int]], side=4, people=5, square=5):
        """Seat people on a grid, 0 to `side` both ways, with squared distances of at least `square` between any two."""
        inside = len(x) == people and all(len(p) == 2 and min(p) >= 0 and max(p) <= side for p in x)
        return inside and all((a - c) ** 2 + (b - d) ** 2 >= square for i, (a, b) in enumerate(x) for c, d in x[:i])

    @staticmethod
    def sol(side, people, square):
        cells = [[a, b] for a in range(side + 1) for b in range(side + 1)]

        def seat(x, start):
            if len(x) == people:
                return x
            for k in range(start, len(cells)):
                if all((cells[k][0] - c) ** 2 + (cells[k][1] - d) ** 2 >= square for c, d in x):
                    found = seat([*x, cells[k]], k + 1)
                    if found:
                        return found

        return seat([], 0)

    def gen(self, n):
        for side, people, square in [(3, 8, 2), (5, 8, 5), (6, 9, 8), (7, 10, 8)][:n]:
            self.add(side=side, people=people, square=square)


class NoThreeInLine(Generator):
    @staticmethod
    def sat(x: List[List[int]], n=3):
        """Put 2n pebbles on an n by n board, cells [row, column] from 0, with no three of them on a straight line."""
        from itertools import combinations

        if len(x) != 2 * n or any(len(p) != 2 or min(p) < 0 or max(p) >= n for p in x):
            return False
        return all((c - a) * (f - b) != (e - a) * (d - b) for (a, b), (c, d), (e, f) in combinations(x, 3))

    @staticmethod
    def sol(n):
        from itertools import combinations

        def fill(x, row):
            if row == n:
                return x
            for i, j in combinations(range(n), 2):
                new = [*x, [row, i], [row, j]]
                if all(
                    (c - a) * (f - b) != (e - a) * (d - b)
                    for (a, b), (c, d), (e, f) in combinations(new, 3)
                    if row in (a, c, e)
                ):
                    found = fill(new, row + 1)
                    if found:
                        return found

        return fill([], 0)

    def gen(self, n):
        for size in [2, 4, 5, 6][:n]:
            self.add(n=size)


class FencedTriangle(Generator):
    @staticmethod
    def sat(x: List[int], fence=42, area=84):
        """A triangle with whole sides has this perimeter and this area. List its sides in ascending order."""
        if len(x) != 3 or not 0 < x[0] <= x[1] <= x[2] or sum(x) != fence:
            return False
        a, b, c = x
        return (a + b + c) * (b + c - a) * (a + c - b) * (a + b - c) == 16 * area * area

    @staticmethod
    def sol(fence, area):
        for a in range(1, fence):
            for b in range(a, fence - a):
                c = fence - a - b
                if b <= c and fence * (b + c - a) * (a + c - b) * (a + b - c) == 16 * area * area:
                    return [a, b, c]

    def gen(self, n):
        for fence, area in [(12, 6), (36, 60), (54, 126), (70, 210)][:n]:
            self.add(fence=fence, area=area)


class SightOfTheTower(Generator):
    @staticmethod
    def sat(x: float, tower=5.0, eye=13.0):
        """A round tower has this radius, and you stand this far from its centre. How far is the edge that you see?

        The answer may miss by 1e-6.
        """
        return x > 0 and abs(x * x + tower * tower - eye * eye) < 1e-6

    @staticmethod
    def sol(tower, eye):
        return (eye * eye - tower * tower) ** 0.5

    def gen_random(self):
        self.add(tower=float(self.random.randrange(1, 20)), eye=float(self.random.randrange(20, 60)))
