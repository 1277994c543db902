# mypy: ignore-errors
"""Warm-ups: one idea each, and one short expression solves them."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class AddTo(Generator):
    @staticmethod
    def sat(n: int, a=7, total=50):
        """Find the number that brings a up to the total."""
        return n + a == total

    @staticmethod
    def sol(a, total):
        return total - a

    def gen_random(self):
        self.add(a=self.random.randrange(1, 1000), total=self.random.randrange(1000, 5000))


class TakeAway(Generator):
    @staticmethod
    def sat(n: int, a=90, b=31):
        """How much must be taken away from a to leave b?"""
        return a - n == b

    @staticmethod
    def sol(a, b):
        return a - b

    def gen_random(self):
        self.add(a=self.random.randrange(500, 1000), b=self.random.randrange(500))


class TimesTable(Generator):
    @staticmethod
    def sat(n: int, a=12, b=144):
        """Which row of the times table of a holds b?"""
        return n * a == b

    @staticmethod
    def sol(a, b):
        return b // a

    def gen_random(self):
        a = self.random.randrange(2, 100)
        self.add(a=a, b=a * self.random.randrange(2, 100))


class Halfway(Generator):
    @staticmethod
    def sat(n: int, a=10, b=50):
        """Find the milestone that is as far from a as from b."""
        return n - a == b - n

    @staticmethod
    def sol(a, b):
        return (a + b) // 2

    def gen_random(self):
        a, n = self.random.randrange(100), self.random.randrange(100, 200)
        self.add(a=a, b=2 * n - a)


class SquareSide(Generator):
    @staticmethod
    def sat(n: int, area=81):
        """A square field has this area. How long is its side?"""
        return n > 0 and n * n == area

    @staticmethod
    def sol(area):
        n = 1
        while n * n < area:
            n += 1
        return n

    def gen_random(self):
        self.add(area=self.random.randrange(10, 100) ** 2)


class ClockworkRemainder(Generator):
    @staticmethod
    def sat(n: int, wheel=7, tooth=3, turns=100):
        """Find a number above `turns` that leaves the remainder `tooth` on a wheel of `wheel` teeth."""
        return n > turns and n % wheel == tooth

    @staticmethod
    def sol(wheel, tooth, turns):
        return turns * wheel + tooth

    def gen_random(self):
        wheel = self.random.randrange(5, 60)
        self.add(wheel=wheel, tooth=self.random.randrange(1, wheel), turns=self.random.randrange(100, 900))


class ExactDigits(Generator):
    @staticmethod
    def sat(n: int, digits=6):
        """Find a positive number with exactly this many digits."""
        return 0 < n < 10**50 and len(str(n)) == digits

    @staticmethod
    def sol(digits):
        return 10 ** (digits - 1)

    def gen(self, n):
        for digits in [2, 9, 17, 30][:n]:
            self.add(digits=digits)


class WhichPower(Generator):
    @staticmethod
    def sat(n: int, base=2, value=1024):
        """To which power must the base be raised to give the value?"""
        return 0 < n < 100 and base**n == value

    @staticmethod
    def sol(base, value):
        return next(n for n in range(1, 100) if base**n == value)

    def gen(self, n):
        for base, power in [(3, 5), (2, 30), (7, 8), (10, 12)][:n]:
            self.add(base=base, value=base**power)


class LargestOf(Generator):
    @staticmethod
    def sat(n: int, heights=[31, 57, 12, 56]):
        """Which of these heights does none of the others exceed?"""
        return n in heights and all(h <= n for h in heights)

    @staticmethod
    def sol(heights):
        return max(heights)

    def gen_random(self):
        self.add(heights=[self.random.randrange(1, 500) for _ in range(self.random.randrange(3, 9))])


class WhereIsIt(Generator):
    @staticmethod
    def sat(i: int, drawers=["socks", "string", "spoons", "stamps"], wanted="spoons"):
        """In which drawer, counted from zero, is the wanted thing?"""
        return 0 <= i < len(drawers) and drawers[i] == wanted

    @staticmethod
    def sol(drawers, wanted):
        return drawers.index(wanted)

    def gen(self, n):
        shelf = ["tea", "salt", "rice", "flour", "honey", "beans"]
        for wanted in ["honey", "rice", "beans", "salt"][:n]:
            self.add(drawers=shelf, wanted=wanted)


class OneLetterOnly(Generator):
    @staticmethod
    def sat(s: str, letter="m", times=11):
        """Hum for a while: this letter, this many times, and nothing else."""
        return len(s) == times and s.count(letter) == times

    @staticmethod
    def sol(letter, times):
        return letter * times

    def gen_random(self):
        self.add(letter=self.random.choice("aehmoz"), times=self.random.randrange(5, 100))


class SecondHalfOfWord(Generator):
    @staticmethod
    def sat(s: str, start="butter", word="butterfly"):
        """What must be written after the start to complete the word?"""
        return start + s == word

    @staticmethod
    def sol(start, word):
        return word[len(start) :]

    def gen(self, n):
        for start, word in [("rain", "raincoat"), ("key", "keyhole"), ("sun", "sunflower"), ("foot", "football")][:n]:
            self.add(start=start, word=word)


class Shout(Generator):
    @staticmethod
    def sat(s: str, whisper="mind the gap"):
        """Say the same thing in capital letters."""
        return s == whisper.upper()

    @staticmethod
    def sol(whisper):
        return whisper.upper()

    def gen(self, n):
        for whisper in ["dinner is ready", "look behind you", "land ahoy", "who ate the cake"][:n]:
            self.add(whisper=whisper)


class BackToFront(Generator):
    @staticmethod
    def sat(s: str, mirror="dlrow eht dnuora"):
        """The sign was photographed in a mirror. What does it say?"""
        return s[::-1] == mirror

    @staticmethod
    def sol(mirror):
        return mirror[::-1]

    def gen(self, n):
        for text in ["no parking", "fresh bread", "platform nine", "mind your head"][:n]:
            self.add(mirror=text[::-1])


class LongestWord(Generator):
    @staticmethod
    def sat(s: str, words=["oak", "willow", "elm", "sycamore", "ash"]):
        """Pick a word than which none is longer."""
        return s in words and all(len(w) <= len(s) for w in words)

    @staticmethod
    def sol(words):
        return max(words, key=len)

    def gen(self, n):
        for text in ["a bee and a bumblebee", "seven silent salmon", "to be or not to bellow", "every river reaches"][
            :n
        ]:
            self.add(words=text.split())


class ListOfLength(Generator):
    @staticmethod
    def sat(x: List[int], n=25):
        """Write down a list of n numbers, whichever you like."""
        return len(x) == n

    @staticmethod
    def sol(n):
        return [0] * n

    def gen_random(self):
        self.add(n=self.random.randrange(3, 200))


class ListTotal(Generator):
    @staticmethod
    def sat(x: List[int], total=77, parts=3):
        """Split the bill: a list of `parts` numbers with this total."""
        return len(x) == parts and sum(x) == total

    @staticmethod
    def sol(total, parts):
        return [total] + [0] * (parts - 1)

    def gen_random(self):
        self.add(total=self.random.randrange(20, 500), parts=self.random.randrange(2, 6))


class Bookends(Generator):
    @staticmethod
    def sat(x: List[int], left=4, right=9):
        """Find a list that starts with one number and ends with the other."""
        return len(x) > 1 and x[0] == left and x[-1] == right

    @staticmethod
    def sol(left, right):
        return [left, right]

    def gen_random(self):
        self.add(left=self.random.randrange(100), right=self.random.randrange(100))


class RepeatedGuest(Generator):
    @staticmethod
    def sat(x: List[int], guest=8, visits=5):
        """Find a visitors' book in which this guest signs exactly this often."""
        return x.count(guest) == visits

    @staticmethod
    def sol(guest, visits):
        return [guest] * visits

    def gen_random(self):
        self.add(guest=self.random.randrange(100), visits=self.random.randrange(2, 60))


class TidyUp(Generator):
    @staticmethod
    def sat(x: List[int], mess=[5, 3, 9, 1, 3]):
        """Put the numbers in order, smallest first."""
        return x == sorted(mess)

    @staticmethod
    def sol(mess):
        return sorted(mess)

    def gen_random(self):
        self.add(mess=[self.random.randrange(100) for _ in range(self.random.randrange(4, 10))])


class WalkHome(Generator):
    @staticmethod
    def sat(x: List[int], way=[12, 40, 33, 7]):
        """You walked past these house numbers. In which order do you meet them on the way home?"""
        return x == way[::-1]

    @staticmethod
    def sol(way):
        return way[::-1]

    def gen_random(self):
        self.add(way=[self.random.randrange(100) for _ in range(self.random.randrange(4, 10))])


class DoubleEverything(Generator):
    @staticmethod
    def sat(x: List[int], recipe=[3, 1, 4]):
        """Twice as many guests are coming: double the recipe."""
        return x == [2 * amount for amount in recipe]

    @staticmethod
    def sol(recipe):
        return [2 * amount for amount in recipe]

    def gen_random(self):
        self.add(recipe=[self.random.randrange(1, 100) for _ in range(self.random.randrange(3, 8))])


class SpellItOut(Generator):
    @staticmethod
    def sat(x: List[str], word="orchid"):
        """Spell the word, one letter at a time."""
        return len(x) == len(word) and "".join(x) == word and "" not in x

    @staticmethod
    def sol(word):
        return list(word)

    def gen(self, n):
        for word in ["rhythm", "zephyr", "onomatopoeia", "queue"][:n]:
            self.add(word=word)


class IsItEven(Generator):
    @staticmethod
    def sat(b: bool, n=1234):
        """Can n socks be sorted into pairs?"""
        return b == (n % 2 == 0)

    @staticmethod
    def sol(n):
        return n % 2 == 0

    def gen(self, n):
        for number in [98765, 7003 * 2][:n]:
            self.add(n=number)


class EarlierInDictionary(Generator):
    @staticmethod
    def sat(b: bool, first="lantern", second="lanyard"):
        """Does the first word come before the second in the dictionary?"""
        return b == (first < second)

    @staticmethod
    def sol(first, second):
        return first < second

    def gen(self, n):
        for first, second in [("marble", "marathon"), ("candle", "candlestick")][:n]:
            self.add(first=first, second=second)


class AboveZero(Generator):
    @staticmethod
    def sat(x: List[bool], degrees=[-3, 4, 0, 11]):
        """For each temperature, say whether water stays liquid outside."""
        return x == [d > 0 for d in degrees]

    @staticmethod
    def sol(degrees):
        return [d > 0 for d in degrees]

    def gen_random(self):
        self.add(degrees=[self.random.randrange(-9, 20) for _ in range(self.random.randrange(3, 8))])


class HalfPrice(Generator):
    @staticmethod
    def sat(x: float, price=19.5):
        """Everything must go at half price."""
        return x * 2 == price

    @staticmethod
    def sol(price):
        return price / 2

    def gen(self, n):
        for price in [7.25, 120.0, 0.5, 33.75][:n]:
            self.add(price=price)


class SameRowAgain(Generator):
    @staticmethod
    def sat(x: List[List[int]], row=[1, 2, 3], times=4):
        """Knit a pattern in which the same row comes this many times."""
        return len(x) == times and all(r == row for r in x)

    @staticmethod
    def sol(row, times):
        return [row] * times

    def gen_random(self):
        row = [self.random.randrange(10) for _ in range(self.random.randrange(2, 6))]
        self.add(row=row, times=self.random.randrange(2, 12))
