# mypy: ignore-errors
"""Tables of numbers and letters."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class MarketTable(Generator):
    @staticmethod
    def sat(x: List[List[int]], rows=[5, 7], columns=[3, 4, 5]):
        """Fill a table with numbers of at least 0 that has these row sums and column sums."""
        shape = len(x) == len(rows) and all(len(row) == len(columns) and min(row) >= 0 for row in x)
        return shape and [sum(row) for row in x] == rows and [sum(column) for column in zip(*x)] == columns

    @staticmethod
    def sol(rows, columns):
        left, x = list(columns), []
        for total in rows:
            row = []
            for j, room in enumerate(left):
                row.append(min(total, room))
                total -= row[-1]
                left[j] -= row[-1]
            x.append(row)
        return x

    def gen_random(self):
        x = [
            [self.random.randrange(30) for _ in range(self.random.randrange(4, 5))]
            for _ in range(self.random.randrange(2, 6))
        ]
        self.add(rows=[sum(row) for row in x], columns=[sum(column) for column in zip(*x)])


class PunchedCard(Generator):
    @staticmethod
    def sat(x: List[List[int]], rows=[2, 1, 2], columns=[1, 3, 1]):
        """Punch a card, 1 for a hole and 0 for none, with these numbers of holes per row and per column."""
        shape = len(x) == len(rows) and all(len(row) == len(columns) and set(row) <= {0, 1} for row in x)
        return shape and [sum(row) for row in x] == rows and [sum(column) for column in zip(*x)] == columns

    @staticmethod
    def sol(rows, columns):
        left, x = list(columns), {}
        for i in sorted(range(len(rows)), key=lambda i: -rows[i]):
            holes = sorted(range(len(left)), key=lambda j: -left[j])[: rows[i]]
            x[i] = [int(j in holes) for j in range(len(left))]
            left = [room - (j in holes) for j, room in enumerate(left)]
        return [x[i] for i in range(len(rows))]

    def gen_random(self):
        w, h = self.random.randrange(3, 8), self.random.randrange(3, 8)
        x = [[self.random.randrange(2) for _ in range(w)] for _ in range(h)]
        self.add(rows=[sum(row) for row in x], columns=[sum(column) for column in zip(*x)])


class TurnedPoster(Generator):
    @staticmethod
    def sat(x: List[List[str]], hung=[["c", "a"], ["d", "b"]]):
        """The poster was hung a quarter turn clockwise. Write it as it should read."""
        return [list(row) for row in zip(*x[::-1])] == hung

    @staticmethod
    def sol(hung):
        return [list(row) for row in zip(*hung)][::-1]

    def gen_random(self):
        w, h = self.random.randrange(2, 6), self.random.randrange(2, 6)
        self.add(hung=[[self.random.choice("abcdefgh") for _ in range(w)] for _ in range(h)])


class WordSquare(Generator):
    @staticmethod
    def sat(x: List[List[str]], words=["area", "ball", "dear", "lady", "lead"], side=4):
        """Arrange words of the list, letter by letter, in a square that reads the same across and down."""
        square = len(x) == side and [list(column) for column in zip(*x)] == x
        return square and all("".join(row) in words for row in x)

    @staticmethod
    def sol(words, side):
        from itertools import product

        for rows in product(words, repeat=side):
            if [list(column) for column in zip(*rows)] == [list(row) for row in rows]:
                return [list(row) for row in rows]

    def gen(self, n):
        for words, side in [
            (["use", "bus", "sew", "ebb", "sun"], 3),
            (["ton", "cat", "new", "ate", "one"], 3),
            (["area", "card", "dart", "rear", "lamp"], 4),
        ][:n]:
            self.add(words=words, side=side)


class SnailTrail(Generator):
    @staticmethod
    def sat(x: List[List[int]], trail=[1, 2, 3, 4, 5, 6, 7, 8, 9], width=3):
        """A snail crawls clockwise from the top left inwards and reads these numbers. What does the table look like?"""
        table, read = [list(row) for row in x], []
        while table and len(read) <= len(trail):
            read += table.pop(0)
            table = [list(row) for row in zip(*table)][::-1]
        return {len(row) for row in x} == {width} and read == trail

    @staticmethod
    def sol(trail, width):
        height = len(trail) // width
        table, places = [[0] * width for _ in range(height)], [[(i, j) for j in range(width)] for i in range(height)]
        order = []
        while places:
            order += places.pop(0)
            places = [list(row) for row in zip(*places)][::-1]
        for (i, j), v in zip(order, trail):
            table[i][j] = v
        return table

    def gen_random(self):
        w, h = self.random.randrange(2, 6), self.random.randrange(2, 6)
        self.add(trail=[self.random.randrange(100) for _ in range(w * h)], width=w)


class UndoTheTransform(Generator):
    @staticmethod
    def sat(x: List[List[int]], m=[[2, 1], [5, 3]]):
        """Find the matrix that undoes m: multiplied by m it leaves ones on the diagonal and zeros elsewhere."""
        (a, b), (c, d) = m
        (e, f), (g, h) = x
        return [a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h] == [1, 0, 0, 1]

    @staticmethod
    def sol(m):
        (a, b), (c, d) = m
        k = a * d - b * c
        return [[d * k, -b * k], [-c * k, a * k]]

    def gen_random(self):
        a, b, c, d = 1, 0, 0, 1
        for _ in range(4):
            k = self.random.randrange(-4, 5)
            a, b, c, d = c, d, a + k * c, b + k * d
        self.add(m=[[a, b], [c, d]])


class TwiceIsTheTable(Generator):
    @staticmethod
    def sat(x: List[List[int]], square=[[7, 10], [15, 22]]):
        """Find a 2 by 2 matrix whose product with itself is the given one."""
        (a, b), (c, d) = x
        return [[a * a + b * c, a * b + b * d], [c * a + d * c, c * b + d * d]] == square

    @staticmethod
    def sol(square):
        from math import isqrt

        (p, q), (r, s) = square
        for t in (1, -1):
            root = t * isqrt(abs(p * s - q * r))
            trace = isqrt(max(p + s + 2 * root, 0))
            if trace and trace * trace == p + s + 2 * root and (p + root) % trace == q % trace == r % trace == 0:
                return [[(p + root) // trace, q // trace], [r // trace, (s + root) // trace]]

    def gen_random(self):
        a, b, c, d = (self.random.randrange(1, 20) for _ in range(4))
        self.add(square=[[a * a + b * c, a * b + b * d], [c * a + d * c, c * b + d * d]])


class ShoppingBill(Generator):
    @staticmethod
    def sat(x: List[int], baskets=[[2, 1, 0], [0, 3, 1], [1, 1, 1]], paid=[8, 11, 10]):
        """Each basket holds so many of each fruit, and this was paid for it. What does each fruit cost?"""
        return len(x) == 3 and [sum(a * b for a, b in zip(basket, x)) for basket in baskets] == paid

    @staticmethod
    def sol(baskets, paid):
        def det(m):
            (a, b, c), (d, e, f), (g, h, i) = m
            return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)

        columns = list(zip(*baskets))
        return [det([*columns[:k], paid, *columns[k + 1 :]]) // det(columns) for k in range(3)]

    def gen_random(self):
        m = [[self.random.randrange(6) for _ in range(3)] for _ in range(3)]
        (a, b, c), (d, e, f), (g, h, i) = m
        if a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g):
            x = [self.random.randrange(1, 50) for _ in range(3)]
            self.add(baskets=m, paid=[sum(a * b for a, b in zip(row, x)) for row in m])


class FlowerBeds(Generator):
    @staticmethod
    def sat(x: List[List[int]], plan=[[1, 0, 0, 0], [0, 0, 1, 0], [0, 3, 0, 0], [0, 0, 0, 2]]):
        """Complete the plan, where 0 is open: each row and each column holds every number from 1 on exactly once."""
        n = len(plan)
        full = list(range(1, n + 1))
        rows = len(x) == n and all(sorted(line) == full for line in [*x, *zip(*x)])
        return rows and all(p in (0, v) for planned, row in zip(plan, x) for p, v in zip(planned, row))

    @staticmethod
    def sol(plan):
        n = len(plan)

        def plant(x):
            for i in range(n):
                for j in range(n):
                    if x[i][j] == 0:
                        for v in range(1, n + 1):
                            if v not in x[i] and all(row[j] != v for row in x):
                                found = plant(
                                    [[v if (a, b) == (i, j) else x[a][b] for b in range(n)] for a in range(n)]
                                )
                                if found:
                                    return found
                        return None
            return x

        return plant(plan)

    def gen_random(self):
        n = self.random.randrange(3, 6)
        a, b = self.random.sample(range(n), n), self.random.sample(range(n), n)
        self.add(plan=[[(i + j) % n + 1 if self.random.random() < 0.4 else 0 for j in b] for i in a])


class PassInTheMountains(Generator):
    @staticmethod
    def sat(x: List[int], heights=[[4, 9, 7], [6, 8, 7], [1, 5, 3]]):
        """Find [row, column] of a pass: nothing in its row is higher, and nothing in its column is lower."""
        i, j = x
        inside = 0 <= i < len(heights) and 0 <= j < len(heights[0])
        return inside and max(heights[i]) == heights[i][j] == min(row[j] for row in heights)

    @staticmethod
    def sol(heights):
        return next(
            [i, j]
            for i, row in enumerate(heights)
            for j, v in enumerate(row)
            if v == max(row) == min(other[j] for other in heights)
        )

    def gen_random(self):
        n, r = self.random.randrange(3, 7), self.random.randrange
        i, j = r(n), r(n)
        x = [[r(100) for _ in range(n)] for _ in range(n)]
        x[i] = [r(50) for _ in range(n)]
        for a in range(n):
            x[a][j] = r(51, 100) if a != i else 50
        self.add(heights=x)


class DiceStack(Generator):
    @staticmethod
    def sat(x: List[List[List[int]]], layers=[20, 16], fronts=[15, 21]):
        """Build a 2 by 2 by 2 cube of numbers 1 to 9 from its layer sums and from its sums of front and back half."""
        shape = [len(x), *map(len, x), *(len(row) for layer in x for row in layer)] == [2] * 7
        if not shape or not all(1 <= v <= 9 for layer in x for row in layer for v in row):
            return False
        return [sum(map(sum, layer)) for layer in x] == layers and [
            sum(layer[k][0] + layer[k][1] for layer in x) for k in (0, 1)
        ] == fronts

    @staticmethod
    def sol(layers, fronts):
        for a in range(2, 19):
            sums = [[a, layers[0] - a], [fronts[0] - a, layers[1] - fronts[0] + a]]
            if all(2 <= s <= 18 for layer in sums for s in layer):
                return [[[min(9, s - 1), s - min(9, s - 1)] for s in layer] for layer in sums]

    def gen_random(self):
        x = [[[self.random.randrange(1, 10) for _ in range(2)] for _ in range(2)] for _ in range(2)]
        self.add(
            layers=[sum(map(sum, layer)) for layer in x], fronts=[sum(sum(layer[k]) for layer in x) for k in (0, 1)]
        )
