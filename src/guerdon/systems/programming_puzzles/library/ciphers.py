# mypy: ignore-errors
"""Secret writing, check digits and dates."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class ShiftedLetters(Generator):
    @staticmethod
    def sat(s: str, shift=3, cipher="phhw ph dw qrrq"):
        """Every letter was moved on by the shift, round the end of the alphabet. What was the message?"""
        moved = [chr((ord(c) - 97 + shift) % 26 + 97) if c.isalpha() and c.isascii() else c for c in s]
        return s == s.lower() and "".join(moved) == cipher

    @staticmethod
    def sol(shift, cipher):
        return "".join(chr((ord(c) - 97 - shift) % 26 + 97) if c.isalpha() else c for c in cipher)

    def gen_random(self):
        shift = self.random.randrange(1, 26)
        text = self.random.choice(["the owl knows", "burn the map", "seven lanterns", "trust the baker"])
        cipher = "".join(chr((ord(c) - 97 + shift) % 26 + 97) if c.isalpha() else c for c in text)
        self.add(shift=shift, cipher=cipher)


class FindTheShift(Generator):
    @staticmethod
    def sat(n: int, plain="zebra", cipher="difve"):
        """By how many places, 1 to 25, was every letter moved on?"""
        return 0 < n < 26 and "".join(chr((ord(c) - 97 + n) % 26 + 97) for c in plain) == cipher

    @staticmethod
    def sol(plain, cipher):
        return (ord(cipher[0]) - ord(plain[0])) % 26

    def gen_random(self):
        plain, n = self.random.choice(["harbour", "midnight", "password", "swordfish"]), self.random.randrange(1, 26)
        self.add(plain=plain, cipher="".join(chr((ord(c) - 97 + n) % 26 + 97) for c in plain))


class KeywordCipher(Generator):
    @staticmethod
    def sat(s: str, plain="sendmorehoney", cipher="tireqssilpriz"):
        """Find a keyword of up to six letters that, over and over, shifts the plain text to the cipher."""
        if not 0 < len(s) <= 6 or not s.isascii() or not s.isalpha() or s != s.lower():
            return False
        key = (s * len(plain))[: len(plain)]
        return "".join(chr((ord(p) + ord(k) - 194) % 26 + 97) for p, k in zip(plain, key)) == cipher

    @staticmethod
    def sol(plain, cipher):
        key = "".join(chr((ord(c) - ord(p)) % 26 + 97) for p, c in zip(plain, cipher))
        return next(key[:k] for k in range(1, 7) if (key[:k] * len(key))[: len(key)] == key)

    def gen_random(self):
        plain, key = "meetmebehindtheoldmill", self.random.choice(["crow", "lamp", "onion", "violet", "ox"])
        cipher = "".join(chr((ord(p) + ord(k) - 194) % 26 + 97) for p, k in zip(plain, key * len(plain)))
        self.add(plain=plain, cipher=cipher)


class FenceRails(Generator):
    @staticmethod
    def sat(s: str, rails=3, cipher="ttohlaugdhig"):
        """A message was dealt onto the rails in turn, letter by letter, and then read rail by rail. What was it?"""
        return len(s) == len(cipher) and "".join(s[i::rails] for i in range(rails)) == cipher

    @staticmethod
    def sol(rails, cipher):
        s, start = [""] * len(cipher), 0
        for i in range(rails):
            size = len(range(i, len(cipher), rails))
            s[i::rails] = cipher[start : start + size]
            start += size
        return "".join(s)

    def gen_random(self):
        text = self.random.choice(["thekeyisunderthepot", "nobodysuspectsthecat", "countthestairs"])
        rails = self.random.randrange(2, 6)
        self.add(rails=rails, cipher="".join(text[i::rails] for i in range(rails)))


class StretchAndShift(Generator):
    @staticmethod
    def sat(x: List[int], plain="badge", cipher="idshx"):
        """Letters count from a = 0. Find [p, q], 0 < p < 26 and 0 <= q < 26, so that v goes to p*v + q, modulo 26."""
        if len(x) != 2 or not 0 < x[0] < 26 or not 0 <= x[1] < 26:
            return False
        return all((x[0] * (ord(p) - 97) + x[1]) % 26 == ord(c) - 97 for p, c in zip(plain, cipher))

    @staticmethod
    def sol(plain, cipher):
        for p in range(1, 26):
            for q in range(26):
                if all((p * (ord(a) - 97) + q) % 26 == ord(b) - 97 for a, b in zip(plain, cipher)):
                    return [p, q]

    def gen_random(self):
        plain, p, q = "quartz", self.random.choice([3, 5, 7, 9, 11, 15, 17, 19]), self.random.randrange(26)
        self.add(plain=plain, cipher="".join(chr((p * (ord(c) - 97) + q) % 26 + 97) for c in plain))


class PageLineWord(Generator):
    @staticmethod
    def sat(
        x: List[List[int]], book=["red sky at night", "calm sea by day", "no wind at all"], note="calm night at sea"
    ):
        """Encode the note as pairs [line, word], counted from zero, into the book."""
        return " ".join(book[line].split()[word] for line, word in x) == note

    @staticmethod
    def sol(book, note):
        places = {w: [i, j] for i, line in enumerate(book) for j, w in enumerate(line.split())}
        return [places[w] for w in note.split()]

    def gen_random(self):
        book = ["the cook hid the silver spoon", "under a loose stone by the well", "and told nobody but the dog"]
        words = " ".join(book).split()
        self.add(book=book, note=" ".join(self.random.choice(words) for _ in range(self.random.randrange(3, 8))))


class CardNumber(Generator):
    @staticmethod
    def sat(s: str, start="4402561890", length=11):
        """Complete the card number to this length so that its check sum ends in 0.

        From the right, every second digit is doubled, less 9 if that is above 9, and all are added up.
        """
        digits = [int(c) for c in reversed(s)] if s.isdecimal() and len(s) == length else [1]
        total = sum(digits[::2]) + sum(2 * d - 9 * (d > 4) for d in digits[1::2])
        return s.startswith(start) and s.isascii() and total % 10 == 0

    @staticmethod
    def sol(start, length):
        for v in range(10 ** (length - len(start))):
            s = start + str(v).zfill(length - len(start))
            digits = [int(c) for c in reversed(s)]
            if (sum(digits[::2]) + sum(2 * d - 9 * (d > 4) for d in digits[1::2])) % 10 == 0:
                return s

    def gen_random(self):
        k = self.random.randrange(8, 15)
        self.add(start=str(self.random.randrange(10 ** (k - 1), 10**k)), length=k + self.random.randrange(1, 4))


class BookNumber(Generator):
    @staticmethod
    def sat(s: str, start="571288043"):
        """Complete the ten-character book number.

        Weighted with 10, 9, ..., 1 its digits add up to a multiple of 11; X in the last place counts 10.
        """
        if len(s) != 10 or not s.startswith(start) or s[9] not in "0123456789X":
            return False
        values = [10 if c == "X" else int(c) for c in s]
        return sum((10 - i) * v for i, v in enumerate(values)) % 11 == 0

    @staticmethod
    def sol(start):
        total = sum((10 - i) * int(c) for i, c in enumerate(start))
        return start + "0123456789X"[-total % 11]

    def gen_random(self):
        self.add(start=str(self.random.randrange(10**8, 10**9)))


class SameFingerprint(Generator):
    @staticmethod
    def sat(x: List[str], modulus=97, length=4):
        """Find two different lower-case words of this length that the toy hash h = 31*h + letter confuses."""
        prints = set()
        for word in x[:2]:
            h = 0
            for c in word[:length]:
                h = (31 * h + ord(c)) % modulus
            prints.add(h)
        lower = all(len(w) == length and all("a" <= c <= "z" for c in w) for w in x)
        return len(x) == 2 and x[0] != x[1] and lower and len(prints) == 1

    @staticmethod
    def sol(modulus, length):
        from itertools import product

        seen = {}
        for word in product("abcdefghijklmnopqrstuvwxyz", repeat=length):
            h = 0
            for c in word:
                h = (31 * h + ord(c)) % modulus
            if h in seen:
                return [seen[h], "".join(word)]
            seen[h] = "".join(word)

    def gen(self, n):
        for modulus, length in [(13, 2), (1009, 3), (10007, 5), (8191, 8)][:n]:
            self.add(modulus=modulus, length=length)


class UnluckyFriday(Generator):
    @staticmethod
    def sat(s: str, year=2026):
        """Find a Friday the 13th in this year, written YYYY-MM-DD."""
        from datetime import date

        day = date.fromisoformat(s)
        return len(s) == 10 and day.year == year and day.day == 13 and day.weekday() == 4

    @staticmethod
    def sol(year):
        from datetime import date

        return next(f"{year}-{m:02}-13" for m in range(1, 13) if date(year, m, 13).weekday() == 4)

    def gen_random(self):
        self.add(year=self.random.randrange(1900, 2100))


class MirrorDate(Generator):
    @staticmethod
    def sat(s: str, first=2001, last=2030):
        """Find a date in these years that, written YYYYMMDD, reads the same backwards."""
        from datetime import date

        day = date(int(s[:4]), int(s[4:6]), int(s[6:]))
        return len(s) == 8 and s.isdecimal() and first <= day.year <= last and s == s[::-1]

    @staticmethod
    def sol(first, last):
        from datetime import date

        for year in range(first, last + 1):
            month, day = int(str(year)[:1:-1]), int(str(year)[1::-1])
            try:
                return f"{date(year, month, day):%Y%m%d}"
            except ValueError:
                continue

    def gen(self, n):
        for first, last in [(1100, 1199), (1300, 1390), (2015, 2025), (2100, 2115)][:n]:
            self.add(first=first, last=last)


class HandsMeet(Generator):
    @staticmethod
    def sat(x: float, hour=3):
        """How many minutes after the full hour do the two hands of a clock point the same way (to within 1e-6)?"""
        return 0 < x < 60 and abs(6 * x - (30 * hour + x / 2)) < 1e-6

    @staticmethod
    def sol(hour):
        return 60 * hour / 11

    def gen_random(self):
        self.add(hour=self.random.randrange(1, 11))
