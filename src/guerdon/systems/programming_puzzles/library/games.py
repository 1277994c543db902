# mypy: ignore-errors
"""Moves on boards and at tables."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class NimMove(Generator):
    @staticmethod
    def sat(x: List[int], heaps=[3, 4, 6]):
        """Who takes the last match wins. Name a heap, by position, and how many matches to take to be winning."""
        if len(x) != 2 or not 0 <= x[0] < len(heaps) or not 0 < x[1] <= heaps[x[0]]:
            return False
        balance = heaps[x[0]] ^ (heaps[x[0]] - x[1])
        for heap in heaps:
            balance ^= heap
        return balance == 0

    @staticmethod
    def sol(heaps):
        total = 0
        for heap in heaps:
            total ^= heap
        return next([i, heap - (heap ^ total)] for i, heap in enumerate(heaps) if heap ^ total < heap)

    def gen_random(self):
        heaps = [self.random.randrange(1, 40) for _ in range(self.random.randrange(3, 7))]
        total = 0
        for heap in heaps:
            total ^= heap
        if total:
            self.add(heaps=heaps)


class WinningCross(Generator):
    @staticmethod
    def sat(n: int, board="XO.OX.XO."):
        """Squares are numbered 1 to 9, row by row. Where does X go to make three in a row at once?"""
        squares = list(board)
        if not 1 <= n <= 9 or squares[n - 1] != ".":
            return False
        squares[n - 1] = "X"
        lines = ["012", "345", "678", "036", "147", "258", "048", "246"]
        return any(all(squares[int(i)] == "X" for i in line) for line in lines)

    @staticmethod
    def sol(board):
        lines = ["012", "345", "678", "036", "147", "258", "048", "246"]
        for line in lines:
            marks = [board[int(i)] for i in line]
            if sorted(marks) == [".", "X", "X"]:
                return int(line[marks.index(".")]) + 1

    def gen(self, n):
        for board in ["XX.OO....", "O.X.XO..O", "XO..OX..X", "OXO.X.X.O"][:n]:
            self.add(board=board)


class LampsOut(Generator):
    @staticmethod
    def sat(x: List[int], lit=[1, 3, 4, 5, 7], side=3):
        """Pressing a lamp flips it and its neighbours on a square board. Put all lamps out.

        Lamps are numbered row by row from 0.
        """
        lamps = set(lit)
        for cell in x[:50]:
            row, column = divmod(cell, side)
            near = {(row, column), (row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}
            lamps ^= {r * side + c for r, c in near if 0 <= r < side and 0 <= c < side}
        return 0 < len(x) <= 50 and not lamps

    @staticmethod
    def sol(lit, side):
        def flips(cell):
            r, c = divmod(cell, side)
            near = {(r, c), (r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)}
            return {a * side + b for a, b in near if 0 <= a < side and 0 <= b < side}

        for first in range(2**side):
            lamps, presses = set(lit), []
            for cell in range(side * side):
                if (first >> cell & 1) if cell < side else cell - side in lamps:
                    lamps ^= flips(cell)
                    presses.append(cell)
            if not lamps:
                return presses

    def gen_random(self):
        side, lamps = self.random.randrange(3, 6), set()
        for cell in self.random.sample(range(side * side), side + 1):
            r, c = divmod(cell, side)
            near = {(r, c), (r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)}
            lamps ^= {a * side + b for a, b in near if 0 <= a < side and 0 <= b < side}
        if lamps:
            self.add(lit=sorted(lamps), side=side)


class WaterJugs(Generator):
    @staticmethod
    def sat(x: List[List[int]], jugs=[3, 5], goal=4, most=8):
        """Measure out the goal by pouring [from, to] until one is empty or the other full; -1 is tap and drain."""
        water = [0] * len(jugs)
        for a, b in x[:most]:
            available = water[a] if a >= 0 else 10**9
            room = jugs[b] - water[b] if b >= 0 else 10**9
            poured = min(available, room) if a != b else 0
            water = [w - poured * (i == a) + poured * (i == b) for i, w in enumerate(water)]
        return len(x) <= most and goal in water

    @staticmethod
    def sol(jugs, goal, most):
        states, k = {(0,) * len(jugs): []}, range(-1, len(jugs))
        for _ in range(most):
            for water, path in list(states.items()):
                for a, b in ((a, b) for a in k for b in k if a != b):
                    poured = min(water[a] if a >= 0 else 10**9, jugs[b] - water[b] if b >= 0 else 10**9)
                    new = tuple(w - poured * (i == a) + poured * (i == b) for i, w in enumerate(water))
                    states.setdefault(new, [*path, [a, b]])
        return next(path for water, path in states.items() if goal in water)

    def gen(self, n):
        for jugs, goal, most in [([4, 9], 6, 10), ([5, 8], 2, 12), ([3, 7, 12], 5, 6), ([7, 11], 6, 16)][:n]:
            self.add(jugs=jugs, goal=goal, most=most)


class TowerMoves(Generator):
    @staticmethod
    def sat(x: List[List[int]], discs=3, target=2):
        """Move the tower from peg 0 to the target, disc by disc, never a larger one on a smaller, without detours."""
        pegs = [list(range(discs, 0, -1)), [], []]
        for a, b in x[: 2**discs]:
            disc = pegs[a].pop()
            if pegs[b] and pegs[b][-1] < disc:
                return False
            pegs[b].append(disc)
        return len(x) < 2**discs and len(pegs[target]) == discs

    @staticmethod
    def sol(discs, target):
        def moves(k, a, b):
            c = 3 - a - b
            return [] if k == 0 else [*moves(k - 1, a, c), [a, b], *moves(k - 1, c, b)]

        return moves(discs, 0, target)

    def gen(self, n):
        for discs, target in [(2, 1), (4, 2), (6, 1), (8, 2)][:n]:
            self.add(discs=discs, target=target)


class SlidingTiles(Generator):
    @staticmethod
    def sat(s: str, board="12.453786", most=20):
        """Slide tiles on a 3 by 3 board to reach "12345678.". Each letter, U D L or R, says where the gap moves."""
        cells, gap = list(board), board.index(".")
        for step in s[:most]:
            row, column = gap // 3 + {"U": -1, "D": 1}.get(step, 0), gap % 3 + {"L": -1, "R": 1}.get(step, 0)
            if not (0 <= row < 3 and 0 <= column < 3):
                return False
            cells[gap], cells[3 * row + column] = cells[3 * row + column], cells[gap]
            gap = 3 * row + column
        return len(s) <= most and "".join(cells) == "12345678."

    @staticmethod
    def sol(board, most):
        moves = {
            "U": (-3, lambda g: g > 2),
            "D": (3, lambda g: g < 6),
            "L": (-1, lambda g: g % 3),
            "R": (1, lambda g: g % 3 < 2),
        }
        seen, layer = {board}, {board: ""}
        while "12345678." not in layer:
            found = {}
            for old, path in layer.items():
                gap = old.index(".")
                for name, (step, allowed) in moves.items():
                    if allowed(gap):
                        cells = list(old)
                        cells[gap], cells[gap + step] = cells[gap + step], "."
                        new = "".join(cells)
                        if new not in seen:
                            seen.add(new)
                            found[new] = path + name
            layer = found
        return layer["12345678."]

    def gen_random(self):
        cells, gap = list("12345678."), 8
        for _ in range(14):
            near = [g for g in (gap - 3, gap + 3) if 0 <= g < 9]
            near += [g for g in (gap - 1, gap + 1) if 0 <= g < 9 and g // 3 == gap // 3]
            new = self.random.choice(near)
            cells[gap], cells[new], gap = cells[new], ".", new
        if "".join(cells) != "12345678.":
            self.add(board="".join(cells), most=20)


class KnightsErrand(Generator):
    @staticmethod
    def sat(x: List[int], side=5, start=0):
        """Lead a knight over every square of the board, each once. Squares count row by row from 0."""
        leaps = all({abs(a // side - b // side), abs(a % side - b % side)} == {1, 2} for a, b in zip(x, x[1:]))
        return sorted(x) == list(range(side * side)) and x[0] == start and leaps

    @staticmethod
    def sol(side, start):
        cells = range(side * side)
        near = {
            a: [b for b in cells if {abs(a // side - b // side), abs(a % side - b % side)} == {1, 2}] for a in cells
        }

        def ride(path, seen):
            if len(path) == side * side:
                return path
            for b in sorted(near[path[-1]], key=lambda b: sum(c not in seen for c in near[b])):
                if b not in seen:
                    found = ride([*path, b], seen | {b})
                    if found:
                        return found

        return ride([start], {start})

    def gen(self, n):
        for side, start in [(5, 12), (5, 24), (6, 0), (6, 7)][:n]:
            self.add(side=side, start=start)


class KnightsShortcut(Generator):
    @staticmethod
    def sat(x: List[str], start="a1", end="h8", most=6):
        """Ride a knight on a chess board from start to end in few leaps. List the squares, both ends included."""
        squares = all(len(q) == 2 and q[0] in "abcdefgh" and q[1] in "12345678" for q in x)
        leaps = all({abs(ord(a[0]) - ord(b[0])), abs(ord(a[1]) - ord(b[1]))} == {1, 2} for a, b in zip(x, x[1:]))
        return squares and leaps and len(x) <= most + 1 and x[0] == start and x[-1] == end

    @staticmethod
    def sol(start, end, most):
        paths = {start: [start]}
        while end not in paths:
            for a, path in list(paths.items()):
                for b in (c + d for c in "abcdefgh" for d in "12345678"):
                    if {abs(ord(a[0]) - ord(b[0])), abs(ord(a[1]) - ord(b[1]))} == {1, 2}:
                        paths.setdefault(b, [*path, b])
        return paths[end]

    def gen(self, n):
        for start, end, most in [("b1", "b2", 3), ("d4", "d5", 3), ("h1", "a2", 5), ("a8", "b7", 4)][:n]:
            self.add(start=start, end=end, most=most)


class PeacefulQueens(Generator):
    @staticmethod
    def sat(x: List[int], n=8):
        """Place one queen per row, giving its column from 0, so that none attacks another."""
        return (
            len(x) == n
            and all(0 <= c < n for c in x)
            and (len(set(x)) == len({i + c for i, c in enumerate(x)}) == len({i - c for i, c in enumerate(x)}) == n)
        )

    @staticmethod
    def sol(n):
        def place(x):
            if len(x) == n:
                return x
            for c in range(n):
                if all(c != d and abs(c - d) != len(x) - i for i, d in enumerate(x)):
                    found = place([*x, c])
                    if found:
                        return found

        return place([])

    def gen(self, n):
        for size in [5, 6, 10, 12][:n]:
            self.add(n=size)


class FrogsAndToads(Generator):
    @staticmethod
    def sat(x: List[int], pond="FF.TT"):
        """Frogs F move right, toads T left: one step to the free leaf or a hop over one animal. Swap the two sides.

        Each move is given by the position, from 0, of the animal that moves.
        """
        leaves = list(pond)
        for i in x[:100]:
            gap = leaves.index(".")
            if i < 0 or gap - i not in ((1, 2) if leaves[i] == "F" else (-1, -2)):
                return False
            leaves[gap], leaves[i] = leaves[i], "."
        return len(x) <= 100 and "".join(leaves) == pond[::-1]

    @staticmethod
    def sol(pond):
        layer = {pond: []}
        while pond[::-1] not in layer:
            found = {}
            for leaves, moves in layer.items():
                gap = leaves.index(".")
                for i in range(max(0, gap - 2), min(len(pond), gap + 3)):
                    if i != gap and (leaves[i] == "F") == (i < gap):
                        new = list(leaves)
                        new[gap], new[i] = leaves[i], "."
                        found["".join(new)] = [*moves, i]
            layer = found
        return layer[pond[::-1]]

    def gen(self, n):
        for k in [1, 3, 4, 5][:n]:
            self.add(pond="F" * k + "." + "T" * k)


class SecretPegs(Generator):
    @staticmethod
    def sat(x: List[int], guesses=[[1, 2, 3, 4], [2, 1, 5, 5]], exact=[1, 0], shared=[2, 2], colours=6):
        """Find a code of colours 1, 2, ... that gives these answers to the guesses.

        `exact` counts the pegs of the right colour in the right place, `shared` those of the right colour anywhere.
        """
        right = [sum(a == b for a, b in zip(x, guess)) for guess in guesses]
        common = [sum(min(x.count(c), guess.count(c)) for c in set(guess)) for guess in guesses]
        return len(x) == len(guesses[0]) and all(0 < c <= colours for c in x) and right == exact and common == shared

    @staticmethod
    def sol(guesses, exact, shared, colours):
        from itertools import product

        for x in product(range(1, colours + 1), repeat=len(guesses[0])):
            right = [sum(a == b for a, b in zip(x, guess)) for guess in guesses]
            common = [sum(min(x.count(c), guess.count(c)) for c in set(guess)) for guess in guesses]
            if right == exact and common == shared:
                return list(x)

    def gen_random(self):
        code, *guesses = ([self.random.randrange(1, 7) for _ in range(4)] for _ in range(self.random.randrange(4, 7)))
        exact = [sum(a == b for a, b in zip(code, guess)) for guess in guesses]
        shared = [sum(min(code.count(c), guess.count(c)) for c in set(guess)) for guess in guesses]
        self.add(guesses=guesses, exact=exact, shared=shared, colours=6)


class MineStrip(Generator):
    @staticmethod
    def sat(x: List[bool], counts=[1, 1, 2, 1]):
        """Each number counts the mines in its cell of a strip and in the two beside it. Where are the mines?"""
        near = [sum(x[max(0, i - 1) : i + 2]) for i in range(len(x[:100]))]
        return len(x) == len(counts) and near == counts

    @staticmethod
    def sol(counts):
        for first in (False, True):
            x = [first]
            for i, count in enumerate(counts[:-1]):
                x.append(bool(count - sum(x[max(0, i - 1) : i + 1])))
            if [sum(x[max(0, i - 1) : i + 2]) for i in range(len(x))] == counts:
                return x

    def gen_random(self):
        x = [self.random.random() < 0.4 for _ in range(self.random.randrange(6, 20))]
        if any(x):
            self.add(counts=[sum(x[max(0, i - 1) : i + 2]) for i in range(len(x))])


class LastBiscuit(Generator):
    @staticmethod
    def sat(n: int, biscuits=31, most=4):
        """In turn take 1 to `most` biscuits; whoever takes the last one wins. How many do you take to be sure of it?"""
        return 1 <= n <= most and (biscuits - n) % (most + 1) == 0

    @staticmethod
    def sol(biscuits, most):
        return biscuits % (most + 1)

    def gen_random(self):
        most = self.random.randrange(3, 12)
        biscuits = self.random.randrange(30, 200)
        if biscuits % (most + 1):
            self.add(biscuits=biscuits, most=most)


class FerryCrossing(Generator):
    @staticmethod
    def sat(x: List[str], cargo=["wolf", "goat", "cabbage"], feuds=[["wolf", "goat"], ["goat", "cabbage"]], most=7):
        """Ferry all cargo across, at most one piece per trip, "" for an empty boat; trips go over and back in turn.

        Pieces with a feud must not be left together on a bank without you.
        """
        banks, here = [set(cargo), set()], 0
        for piece in x[:most]:
            if piece:
                banks[here].remove(piece)
                banks[1 - here].add(piece)
            if any(set(feud) <= banks[here] for feud in feuds):
                return False
            here = 1 - here
        return len(x) <= most and not banks[0]

    @staticmethod
    def sol(cargo, feuds, most):
        paths = [([], frozenset(cargo))]
        for path, left in paths:
            if not left:
                return path
            here = left if len(path) % 2 == 0 else set(cargo) - left
            for piece in ["", *sorted(here)]:
                if not any(set(feud) <= here - {piece} for feud in feuds) and len(path) < most:
                    paths.append(([*path, piece], frozenset(left ^ {piece} - {""})))

    def gen(self, n):
        farm = [["fox", "hen"], ["hen", "corn"]]
        for cargo, feuds, most in [(["corn", "fox", "hen"], farm, 7), (["cat", "mouse"], [["cat", "mouse"]], 3)][:n]:
            self.add(cargo=cargo, feuds=feuds, most=most)


class MazeRunner(Generator):
    @staticmethod
    def sat(s: str, maze=["..#.", "#.#.", "#...", "..#."], most=8):
        """Walk with N, S, E and W from the top left to the bottom right of the maze without touching a hedge #."""
        row = column = 0
        for step in s[:most]:
            row += (step == "S") - (step == "N")
            column += (step == "E") - (step == "W")
            if not (0 <= row < len(maze) and 0 <= column < len(maze[0])) or maze[row][column] == "#":
                return False
        return len(s) <= most and row == len(maze) - 1 and column == len(maze[0]) - 1

    @staticmethod
    def sol(maze, most):
        queue, seen = [(0, 0, "")], {(0, 0)}
        for row, column, path in queue:
            if (row, column) == (len(maze) - 1, len(maze[0]) - 1):
                return path
            for step, r, c in (
                ("S", row + 1, column),
                ("N", row - 1, column),
                ("E", row, column + 1),
                ("W", row, column - 1),
            ):
                inside = 0 <= r < len(maze) and 0 <= c < len(maze[0])
                if inside and maze[r][c] != "#" and (r, c) not in seen:
                    seen.add((r, c))
                    queue.append((r, c, path + step))

    def gen_random(self):
        side = self.random.randrange(4, 9)
        cells = [["#" if self.random.random() < 0.5 else "." for _ in range(side)] for _ in range(side)]
        row = column = 0
        cells[0][0] = "."
        while (row, column) != (side - 1, side - 1):
            if column == side - 1 or (row < side - 1 and self.random.random() < 0.5):
                row += 1
            else:
                column += 1
            cells[row][column] = "."
        self.add(maze=["".join(line) for line in cells], most=2 * side - 2)
