# mypy: ignore-errors
"""Texts with a grammar: brackets, numerals and little notations."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class NestedBrackets(Generator):
    @staticmethod
    def sat(s: str, length=12, depth=3, squares=2):
        """Write balanced brackets, round and square, with this length, this depth and so many square pairs."""
        stack, deepest = [], 0
        for c in s[:200]:
            if c in "([":
                stack.append(c)
            elif not stack or stack.pop() + c not in ("()", "[]"):
                return False
            deepest = max(deepest, len(stack))
        return len(s) == length <= 200 and not stack and deepest == depth and s.count("[") == squares

    @staticmethod
    def sol(length, depth, squares):
        rounds = length // 2 - squares
        kinds = ["[]"] * squares + ["()"] * rounds
        core = kinds[:depth]
        return "".join(k[0] for k in core) + "".join(k[1] for k in reversed(core)) + "".join(kinds[depth:])

    def gen_random(self):
        half = self.random.randrange(4, 30)
        self.add(length=2 * half, depth=self.random.randrange(2, half), squares=self.random.randrange(1, half))


class CloseWhatIsOpen(Generator):
    @staticmethod
    def sat(s: str, start="{[()(["):
        """Finish the line, without opening anything new, so that all brackets match."""
        line = start + s
        for _ in range(len(start)):
            line = line.replace("()", "").replace("[]", "").replace("{}", "")
        return line == "" and not set(s) & set("([{")

    @staticmethod
    def sol(start):
        stack = []
        for c in start:
            if c in "([{":
                stack.append(c)
            else:
                stack.pop()
        return "".join({"(": ")", "[": "]", "{": "}"}[c] for c in reversed(stack))

    def gen_random(self):
        start, stack = "", []
        for _ in range(self.random.randrange(6, 24)):
            if stack and self.random.random() < 0.35:
                start += {"(": ")", "[": "]", "{": "}"}[stack.pop()]
            else:
                stack.append(self.random.choice("([{"))
                start += stack[-1]
        if stack:
            self.add(start=start)


class RomanNumeral(Generator):
    @staticmethod
    def sat(s: str, n=1949, longest=7):
        """Carve the number in Roman letters, briefly: a letter counts negative if the next one is worth more."""
        worth = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
        values = [worth[c] for c in s]
        return len(s) <= longest and sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0])) == n

    @staticmethod
    def sol(n, longest):
        s = ""
        parts = "M 1000 CM 900 D 500 CD 400 C 100 XC 90 L 50 XL 40 X 10 IX 9 V 5 IV 4 I 1".split()
        for letters, value in zip(parts[::2], map(int, parts[1::2])):
            s += letters * (n // value)
            n %= value
        return s

    def gen(self, n):
        for number, longest in [(49, 4), (888, 12), (2024, 6), (3999, 9)][:n]:
            self.add(n=number, longest=longest)


class PackedRuns(Generator):
    @staticmethod
    def sat(s: str, text="aaaabccccccccccccd", longest=8):
        """Pack the text: a number before a letter repeats that letter. Keep the packed form short."""
        out, count = "", ""
        for c in s[: len(text)]:
            if c.isdigit():
                count += c
            else:
                out, count = out + c * min(int(count or "1"), 1000), ""
        return len(s) <= longest and out == text

    @staticmethod
    def sol(text, longest):
        from itertools import groupby

        runs = [(len(list(run)), c) for c, run in groupby(text)]
        return "".join(c if k == 1 else f"{k}{c}" for k, c in runs)

    def gen_random(self):
        letters = self.random.sample("abcdefgh", self.random.randrange(3, 7))
        runs = [self.random.randrange(4, 30) for _ in letters]
        longest = sum(len(f"{k}x") for k in runs)
        self.add(text="".join(c * k for c, k in zip(letters, runs)), longest=longest)


class StackOfPlates(Generator):
    @staticmethod
    def sat(x: List[str], numbers=[2, 3, 7], goal=35):
        """Postfix: numbers go on a stack, and +, - and * replace the top two. Reach the goal with each number once."""
        stack = []
        for token in x[:20]:
            if token in ("+", "-", "*"):
                b, a = stack.pop(), stack.pop()
                stack.append({"+": a + b, "-": a - b, "*": a * b}[token])
            else:
                stack.append(int(token))
        used = sorted(int(token) for token in x if token not in ("+", "-", "*"))
        return len(x) == 2 * len(numbers) - 1 and used == sorted(numbers) and stack == [goal]

    @staticmethod
    def sol(numbers, goal):
        def reach(parts):
            if len(parts) == 1:
                return parts[0][1] if parts[0][0] == goal else None
            for i, (a, x) in enumerate(parts):
                for j, (b, y) in enumerate(parts):
                    if i != j:
                        rest = [p for k, p in enumerate(parts) if k not in (i, j)]
                        for token, value in (("+", a + b), ("-", a - b), ("*", a * b)):
                            found = reach([*rest, (value, [*x, *y, token])])
                            if found:
                                return found

        return reach([(v, [str(v)]) for v in numbers])

    def gen_random(self):
        numbers = [self.random.randrange(1, 12) for _ in range(self.random.randrange(3, 5))]
        goal = numbers[0]
        for v in numbers[1:]:
            goal = self.random.choice([goal + v, goal - v, goal * v])
        self.add(numbers=self.random.sample(numbers, len(numbers)), goal=goal)


class SignsBetweenDigits(Generator):
    @staticmethod
    def sat(s: str, digits="123456789", goal=100):
        """Put plus and minus signs between some of the digits so that the result is the goal."""
        terms = s.replace("-", "+-").split("+") if len(s) < 40 and set(s) <= set(digits + "+-") else ["0"]
        plain = s.replace("+", "").replace("-", "") == digits and all(term.strip("-") for term in terms)
        return plain and s.count("--") == 0 and sum(map(int, terms)) == goal

    @staticmethod
    def sol(digits, goal):
        from itertools import product

        for signs in product(["", "+", "-"], repeat=len(digits) - 1):
            s = "".join(a + b for a, b in zip(digits, [*signs, ""]))
            if sum(map(int, s.replace("-", "+-").split("+"))) == goal:
                return s

    def gen(self, n):
        for digits, goal in [("987654321", 100), ("2718281", 72), ("314159", 59), ("123456789", 65)][:n]:
            self.add(digits=digits, goal=goal)


class OtherBase(Generator):
    @staticmethod
    def sat(s: str, n=2024, base=7):
        """Write the number in the given base, with letters after the nine and no leading zero."""
        return len(s) < 100 and s.isalnum() and s == s.lower() and s[0] != "0" and int(s, base) == n

    @staticmethod
    def sol(n, base):
        s = ""
        while n:
            s, n = "0123456789abcdefghijklmnopqrstuvwxyz"[n % base] + s, n // base
        return s

    def gen_random(self):
        self.add(n=self.random.randrange(1000, 10**9), base=self.random.randrange(2, 37))


class DetourPath(Generator):
    @staticmethod
    def sat(s: str, home="/attic/chest", ups=2):
        """Write a path from the root to this place that steps back up, with "..", exactly so many times."""
        parts = []
        for part in s.split("/")[1:50]:
            if part == "..":
                parts.pop()
            else:
                parts.append(part)
        return s[:1] == "/" and "//" not in s and "/" + "/".join(parts) == home and s.split("/").count("..") == ups

    @staticmethod
    def sol(home, ups):
        return "/x/.." * ups + home

    def gen(self, n):
        for home, ups in [("/barn/loft/hay", 1), ("/sea/wreck", 4), ("/mill", 7)][:n]:
            self.add(home=home, ups=ups)


class SpokenNumber(Generator):
    @staticmethod
    def sat(n: int, spoken="four hundred seventeen"):
        """Which number, below a thousand, was spoken?"""
        small = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        small = (small + "seventeen eighteen nineteen").split()
        tens = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
        if not 0 < n < 1000:
            return False
        words = [small[n // 100], "hundred"] if n > 99 else []
        rest = n % 100
        words += [tens[rest // 10]] * (rest > 19) + [small[rest % 10 if rest > 19 else rest]] * (rest > 0)
        return " ".join(w for w in words if w != "zero") == spoken

    @staticmethod
    def sol(spoken):
        small = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        small = (small + "seventeen eighteen nineteen").split()
        tens = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
        n = 0
        for word in spoken.split():
            n = n * 100 if word == "hundred" else n + (small.index(word) if word in small else 10 * tens.index(word))
        return n

    def gen(self, n):
        for spoken in ["ninety nine", "eight hundred twelve", "six hundred forty", "three hundred five"][:n]:
            self.add(spoken=spoken)
