# mypy: ignore-errors
"""Difficulty ladders: the same few operations undone once, twice and three times, with constants too large to guess."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class _IntLadder(Generator):
    def number(self):
        return self.random.randrange(1000, 1000000)

    def gen_random(self):
        n, a, b, d = (self.number() for _ in range(4))
        values = {"a": a, "b": b, "d": d}
        inputs = {name: values[name] for name in self._verifier.inputs if name in values}
        self.add(**inputs, c=self.climb(n, **inputs))


class IntAdd(_IntLadder):
    @staticmethod
    def sat(n: int, b=48213, c=903377):
        """One step up: a number plus b is c."""
        return n + b == c

    @staticmethod
    def sol(b, c):
        return c - b

    def climb(self, n, b):
        return n + b


class IntSubtract(_IntLadder):
    @staticmethod
    def sat(n: int, b=7391, c=52608):
        """One step down: a number minus b is c."""
        return n - b == c

    @staticmethod
    def sol(b, c):
        return c + b

    def climb(self, n, b):
        return n - b


class IntMultiply(_IntLadder):
    @staticmethod
    def sat(n: int, a=6421, c=305498338):
        """One stretch: a number times a is c."""
        return n * a == c

    @staticmethod
    def sol(a, c):
        return c // a

    def climb(self, n, a):
        return n * a


class IntMultiplyAdd(_IntLadder):
    @staticmethod
    def sat(n: int, a=3127, b=88402, c=150218799):
        """Two steps: a number times a, plus b, is c."""
        return n * a + b == c

    @staticmethod
    def sol(a, b, c):
        return (c - b) // a

    def climb(self, n, a, b):
        return n * a + b


class IntMultiplySubtract(_IntLadder):
    @staticmethod
    def sat(n: int, a=2203, b=51977, c=104592726):
        """Two steps: a number times a, minus b, is c."""
        return n * a - b == c

    @staticmethod
    def sol(a, b, c):
        return (c + b) // a

    def climb(self, n, a, b):
        return n * a - b


class IntAddMultiply(_IntLadder):
    @staticmethod
    def sat(n: int, a=5519, b=70214, c=675702208):
        """Two steps in the other order: a number plus b, times a, is c."""
        return (n + b) * a == c

    @staticmethod
    def sol(a, b, c):
        return c // a - b

    def climb(self, n, a, b):
        return (n + b) * a


class IntAddMultiplySubtract(_IntLadder):
    @staticmethod
    def sat(n: int, a=4817, b=61234, d=330719, c=440236918):
        """Three steps: a number plus b, times a, minus d, is c."""
        return (n + b) * a - d == c

    @staticmethod
    def sol(a, b, d, c):
        return (c + d) // a - b

    def climb(self, n, a, b, d):
        return (n + b) * a - d


class IntMultiplyAddMultiply(_IntLadder):
    @staticmethod
    def sat(n: int, a=1733, b=90481, d=2657, c=325963863376):
        """Three steps: a number times a, plus b, times d, is c."""
        return (n * a + b) * d == c

    @staticmethod
    def sol(a, b, d, c):
        return (c // d - b) // a

    def climb(self, n, a, b, d):
        return (n * a + b) * d


class IntSubtractMultiplyAdd(_IntLadder):
    @staticmethod
    def sat(n: int, a=9041, b=12345, d=67890, c=317886163):
        """Three steps: a number minus b, times a, plus d, is c."""
        return (n - b) * a + d == c

    @staticmethod
    def sol(a, b, d, c):
        return (c - d) // a + b

    def climb(self, n, a, b, d):
        return (n - b) * a + d


class _TextLadder(Generator):
    def text(self, length):
        return "".join(self.random.choice("bcdfgklmnprstv") + self.random.choice("aeiou") for _ in range(length))

    def gen_random(self):
        values = {"t": self.text(3), "k": self.random.randrange(3, 6), "old": "a", "new": "q"}
        inputs = {name: values[name] for name in self._verifier.inputs if name in values}
        self.add(**inputs, u=self.climb(self.text(4), **inputs))


class TextAppend(_TextLadder):
    @staticmethod
    def sat(s: str, t="lantern", u="paperlantern"):
        """One step: a text followed by t is u."""
        return s + t == u

    @staticmethod
    def sol(t, u):
        return u[: -len(t)]

    def climb(self, s, t):
        return s + t


class TextReverse(_TextLadder):
    @staticmethod
    def sat(s: str, u="tsarevitch"):
        """One step: a text backwards is u."""
        return s[::-1] == u

    @staticmethod
    def sol(u):
        return u[::-1]

    def climb(self, s):
        return s[::-1]


class TextRepeat(_TextLadder):
    @staticmethod
    def sat(s: str, k=4, u="tomtomtomtom"):
        """One step: a text k times over is u."""
        return s * k == u

    @staticmethod
    def sol(k, u):
        return u[: len(u) // k]

    def climb(self, s, k):
        return s * k


class TextReplace(_TextLadder):
    @staticmethod
    def sat(s: str, old="a", new="q", u="bqnqnq splqsh"):
        """One step: a text with every `old` turned into `new` is u, and it holds some `old`."""
        return s.replace(old, new) == u and old in s

    @staticmethod
    def sol(old, new, u):
        return u.replace(new, old)

    def climb(self, s, old, new):
        return ("ma" + s).replace(old, new)


class TextReverseAppend(_TextLadder):
    @staticmethod
    def sat(s: str, t="gate", u="rednevalgate"):
        """Two steps: a text backwards, followed by t, is u."""
        return s[::-1] + t == u

    @staticmethod
    def sol(t, u):
        return u[: -len(t)][::-1]

    def climb(self, s, t):
        return s[::-1] + t


class TextAppendRepeat(_TextLadder):
    @staticmethod
    def sat(s: str, t="zag", k=3, u="zigzagzigzagzigzag"):
        """Two steps: a text followed by t, k times over, is u."""
        return (s + t) * k == u

    @staticmethod
    def sol(t, k, u):
        return u[: len(u) // k][: -len(t)]

    def climb(self, s, t, k):
        return (s + t) * k


class TextRepeatReplace(_TextLadder):
    @staticmethod
    def sat(s: str, k=3, old="a", new="q", u="mqngqmqngqmqngq"):
        """Two steps: a text k times over, with every `old` turned into `new`, is u. It has no `new` of its own."""
        return (s * k).replace(old, new) == u and new not in s

    @staticmethod
    def sol(k, old, new, u):
        return u[: len(u) // k].replace(new, old)

    def climb(self, s, k, old, new):
        return (s * k).replace(old, new)


class TextReverseAppendRepeat(_TextLadder):
    @staticmethod
    def sat(s: str, t="up", k=2, u="ylimafupylimafup"):
        """Three steps: a text backwards, followed by t, k times over, is u."""
        return (s[::-1] + t) * k == u

    @staticmethod
    def sol(t, k, u):
        return u[: len(u) // k][: -len(t)][::-1]

    def climb(self, s, t, k):
        return (s[::-1] + t) * k


class TextAppendReplaceReverse(_TextLadder):
    @staticmethod
    def sat(s: str, t="bay", old="a", new="q", u="yqbqllerdmu"):
        """Three steps: a text followed by t, with `old` turned into `new`, backwards, is u. It has no `new` itself."""
        return (s + t).replace(old, new)[::-1] == u and new not in s

    @staticmethod
    def sol(t, old, new, u):
        return u[::-1].replace(new, old)[: -len(t)]

    def climb(self, s, t, old, new):
        return (s + t).replace(old, new)[::-1]


class _ListLadder(Generator):
    def numbers(self, length):
        return [self.random.randrange(1000, 1000000) for _ in range(length)]

    def gen_random(self):
        values = {"a": self.numbers(3), "k": self.random.randrange(3, 6), "m": self.random.randrange(1000, 100000)}
        inputs = {name: values[name] for name in self._verifier.inputs if name in values}
        self.add(**inputs, b=self.climb(self.numbers(4), **inputs))


class ListAppend(_ListLadder):
    @staticmethod
    def sat(x: List[int], a=[4077, 58123], b=[9315, 20746, 4077, 58123]):
        """One step: a list followed by a is b."""
        return x + a == b

    @staticmethod
    def sol(a, b):
        return b[: -len(a)]

    def climb(self, x, a):
        return x + a


class ListReverse(_ListLadder):
    @staticmethod
    def sat(x: List[int], b=[70211, 4096, 83325]):
        """One step: a list backwards is b."""
        return x[::-1] == b

    @staticmethod
    def sol(b):
        return b[::-1]

    def climb(self, x):
        return x[::-1]


class ListShift(_ListLadder):
    @staticmethod
    def sat(x: List[int], m=4321, b=[9876, 5432, 77777]):
        """One step: a list with m added to every number is b."""
        return [v + m for v in x] == b

    @staticmethod
    def sol(m, b):
        return [v - m for v in b]

    def climb(self, x, m):
        return [v + m for v in x]


class ListReverseAppend(_ListLadder):
    @staticmethod
    def sat(x: List[int], a=[1618, 3398], b=[27182, 81828, 1618, 3398]):
        """Two steps: a list backwards, followed by a, is b."""
        return x[::-1] + a == b

    @staticmethod
    def sol(a, b):
        return b[: -len(a)][::-1]

    def climb(self, x, a):
        return x[::-1] + a


class ListAppendRepeat(_ListLadder):
    @staticmethod
    def sat(x: List[int], a=[6180], k=2, b=[3141, 5926, 6180, 3141, 5926, 6180]):
        """Two steps: a list followed by a, k times over, is b."""
        return (x + a) * k == b

    @staticmethod
    def sol(a, k, b):
        return b[: len(b) // k][: -len(a)]

    def climb(self, x, a, k):
        return (x + a) * k


class ListReverseShift(_ListLadder):
    @staticmethod
    def sat(x: List[int], m=1009, b=[50123, 6007, 99181]):
        """Two steps: a list backwards, with m added to every number, is b."""
        return [v + m for v in x[::-1]] == b

    @staticmethod
    def sol(m, b):
        return [v - m for v in b][::-1]

    def climb(self, x, m):
        return [v + m for v in x[::-1]]


class ListReverseAppendRepeat(_ListLadder):
    @staticmethod
    def sat(x: List[int], a=[4669], k=2, b=[2502, 9078, 4669, 2502, 9078, 4669]):
        """Three steps: a list backwards, followed by a, k times over, is b."""
        return (x[::-1] + a) * k == b

    @staticmethod
    def sol(a, k, b):
        return b[: len(b) // k][: -len(a)][::-1]

    def climb(self, x, a, k):
        return (x[::-1] + a) * k


class ListShiftReverseAppend(_ListLadder):
    @staticmethod
    def sat(x: List[int], m=2718, a=[1414], b=[17320, 50807, 1414]):
        """Three steps: a list with m added to every number, backwards, followed by a, is b."""
        return [v + m for v in x][::-1] + a == b

    @staticmethod
    def sol(m, a, b):
        return [v - m for v in b[: -len(a)]][::-1]

    def climb(self, x, m, a):
        return [v + m for v in x][::-1] + a
