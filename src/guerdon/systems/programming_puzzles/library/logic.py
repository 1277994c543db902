# mypy: ignore-errors
"""Truth, lies and constraints."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class PickyDiners(Generator):
    @staticmethod
    def sat(x: List[bool], wishes=[[1, -2], [2, 3], [-1, -3]], dishes=3):
        """Decide for each dish, numbered from 1, whether to cook it, so that every diner gets at least one wish.

        A wish k asks for dish k, a wish -k for leaving it out.
        """
        return len(x) == dishes and all(any(x[abs(w) - 1] == (w > 0) for w in diner) for diner in wishes)

    @staticmethod
    def sol(wishes, dishes):
        from itertools import product

        for x in product([True, False], repeat=dishes):
            if all(any(x[abs(w) - 1] == (w > 0) for w in diner) for diner in wishes):
                return list(x)

    def gen_random(self):
        n, wishes = self.random.randrange(4, 11), []
        x = [self.random.random() < 0.5 for _ in range(n)]
        while len(wishes) < 4 * n:
            diner = [k * self.random.choice([1, -1]) for k in self.random.sample(range(1, n + 1), 3)]
            if any(x[abs(w) - 1] == (w > 0) for w in diner):
                wishes.append(diner)
        if any(all(w > 0 for w in diner) for diner in wishes):
            self.add(wishes=wishes, dishes=n)


class IslandOfLiars(Generator):
    @staticmethod
    def sat(x: List[bool], says=[[0, 1, 0], [1, 2, 1], [2, 1, 1], [2, 0, 0]], people=3):
        """Truth-tellers (True) never lie, liars always do. [a, b, 1] means that a calls b a truth-teller, 0 a liar.

        Find who is who; at least one of them tells the truth.
        """
        return len(x) == people and any(x) and all((x[b] == (claim == 1)) == x[a] for a, b, claim in says)

    @staticmethod
    def sol(says, people):
        from itertools import product

        for x in product([True, False], repeat=people):
            if any(x) and all((x[b] == (claim == 1)) == x[a] for a, b, claim in says):
                return list(x)

    def gen_random(self):
        n = self.random.randrange(4, 10)
        x = [self.random.random() < 0.5 for _ in range(n)]
        pairs = [self.random.sample(range(n), 2) for _ in range(2 * n)]
        if any(x):
            self.add(says=[[a, b, int(x[a] == x[b])] for a, b in pairs], people=n)


class SwitchBoard(Generator):
    @staticmethod
    def sat(x: List[bool], wires=[[0, 1], [1, 2], [0, 2, 3]], lamps=[1, 0, 1], switches=4):
        """Each lamp is on when an odd number of the switches wired to it is on. Set the switches for this pattern."""
        return len(x) == switches and [sum(x[i] for i in wire) % 2 for wire in wires] == lamps

    @staticmethod
    def sol(wires, lamps, switches):
        for code in range(2**switches):
            x = [bool(code >> i & 1) for i in range(switches)]
            if [sum(x[i] for i in wire) % 2 for wire in wires] == lamps:
                return x

    def gen_random(self):
        n = self.random.randrange(4, 11)
        wires = [sorted(self.random.sample(range(n), self.random.randrange(2, n))) for _ in range(n - 1)]
        x = [self.random.randrange(2) for _ in range(n)]
        lamps = [sum(x[i] for i in wire) % 2 for wire in wires]
        if any(lamps):
            self.add(wires=wires, lamps=lamps, switches=n)


class QueueGossip(Generator):
    @staticmethod
    def sat(
        x: List[str], people=["Ada", "Bo", "Cy", "Dee"], before=[["Cy", "Ada"], ["Dee", "Cy"]], apart=[["Ada", "Bo"]]
    ):
        """Order the queue: in `before` the first stands ahead of the second; those in `apart` do not stand together."""
        place = {name: i for i, name in enumerate(x)}
        ahead = sorted(x) == sorted(people) and all(place[a] < place[b] for a, b in before)
        return ahead and all(abs(place[a] - place[b]) > 1 for a, b in apart)

    @staticmethod
    def sol(people, before, apart):
        from itertools import permutations

        for x in permutations(people):
            if all(x.index(a) < x.index(b) for a, b in before) and all(
                abs(x.index(a) - x.index(b)) > 1 for a, b in apart
            ):
                return list(x)

    def gen_random(self):
        people = ["Ada", "Bo", "Cy", "Dee", "Eve", "Fay", "Gus"][: self.random.randrange(4, 8)]
        x, n = self.random.sample(people, len(people)), len(people)
        pairs = [sorted(self.random.sample(range(n), 2)) for _ in range(n)]
        apart = [[x[a], x[b]] for a, b in pairs if b - a > 1][:2]
        self.add(people=people, before=[[x[a], x[b]] for a, b in pairs[2:]], apart=apart)


class RoundTableFeud(Generator):
    @staticmethod
    def sat(
        x: List[str],
        guests=["elf", "orc", "ogre", "imp", "fay"],
        feuds=[["elf", "orc"], ["imp", "ogre"], ["fay", "orc"]],
    ):
        """Seat all guests at a round table so that no feuding pair sits side by side."""
        sides = [sorted(pair) for pair in zip(x, x[1:] + x[:1])]
        return sorted(x) == sorted(guests) and not any(sorted(feud) in sides for feud in feuds)

    @staticmethod
    def sol(guests, feuds):
        from itertools import permutations

        for order in permutations(guests[1:]):
            x = [guests[0], *order]
            if not any({a, b} == set(feud) for feud in feuds for a, b in zip(x, x[1:] + x[:1])):
                return x

    def gen_random(self):
        guests = ["elf", "orc", "ogre", "imp", "fay", "troll", "gnome"][: self.random.randrange(5, 8)]
        x = self.random.sample(guests, len(guests))
        sides = [sorted(pair) for pair in zip(x, x[1:] + x[:1])]
        pairs = [sorted(self.random.sample(guests, 2)) for _ in range(9)]
        feuds = sorted({tuple(pair) for pair in pairs if pair not in sides})
        if feuds:
            self.add(guests=guests, feuds=list(map(list, feuds)))


class PartlyTrue(Generator):
    @staticmethod
    def sat(n: int, divisors=[2, 3, 5, 7], true=2, low=50):
        """Someone claims that n, above `low`, is divisible by each of these numbers. Exactly so many claims hold."""
        return low < n < 10**9 and sum(n % d == 0 for d in divisors) == true

    @staticmethod
    def sol(divisors, true, low):
        return next(n for n in range(low + 1, 10**9) if sum(n % d == 0 for d in divisors) == true)

    def gen_random(self):
        divisors = sorted(self.random.sample([2, 3, 5, 7, 11, 13], 5))
        self.add(divisors=divisors, true=self.random.randrange(2, 5), low=self.random.randrange(100, 9000))


class NandMachine(Generator):
    @staticmethod
    def sat(x: List[bool], gates=[[0, 1], [2, 3], [2, 4]], inputs=3):
        """Each gate joins two earlier signals and is off only if both are on. Turn the last gate off by the inputs."""
        signals = list(x[:inputs])
        for a, b in gates:
            signals.append(not (signals[a] and signals[b]))
        return len(x) == inputs and signals[-1] is False

    @staticmethod
    def sol(gates, inputs):
        for code in range(2**inputs):
            signals = [bool(code >> i & 1) for i in range(inputs)]
            for a, b in gates:
                signals.append(not (signals[a] and signals[b]))
            if not signals[-1]:
                return signals[:inputs]

    def gen_random(self):
        n = self.random.randrange(3, 8)
        gates = [self.random.sample(range(n + k), 2) for k in range(self.random.randrange(4, 10))]
        off = []
        for code in range(2**n):
            signals = [bool(code >> i & 1) for i in range(n)]
            for a, b in gates:
                signals.append(not (signals[a] and signals[b]))
            off.append(not signals[-1])
        if 0 < sum(off) < 2**n // 3 and not off[0]:
            self.add(gates=gates, inputs=n)
