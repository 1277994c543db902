# mypy: ignore-errors
"""Words and texts."""

from typing import List

from guerdon.systems.programming_puzzles.generators import Generator


class LetterBudget(Generator):
    @staticmethod
    def sat(s: str, a="t", p=9, b="i", q=4, n=20):
        """Find a text of n characters with exactly p of the letter a and q of the letter b."""
        return len(s) == n and s.count(a) == p and s.count(b) == q

    @staticmethod
    def sol(a, p, b, q, n):
        return a * p + b * q + "-" * (n - p - q)

    def gen_random(self):
        a, b = self.random.sample("aeiost", 2)
        p, q = self.random.randrange(2, 30), self.random.randrange(2, 30)
        self.add(a=a, p=p, b=b, q=q, n=p + q + self.random.randrange(20))


class SeesawSyllables(Generator):
    @staticmethod
    def sat(s: str, u="no", p=6, q=2, longest=40):
        """Find a short text with p copies of a syllable and q copies of the syllable backwards."""
        return len(s) <= longest and s.count(u) == p and s.count(u[::-1]) == q

    @staticmethod
    def sol(u, p, q, longest):
        return " ".join([u] * p + [u[::-1]] * q)

    def gen_random(self):
        p, q = self.random.randrange(2, 9), self.random.randrange(2, 9)
        self.add(u=self.random.choice(["on", "at", "it", "us"]), p=p, q=q, longest=3 * (p + q))


class PalindromeAround(Generator):
    @staticmethod
    def sat(s: str, word="racket", longest=11):
        """Find a palindrome, not too long, that contains the word."""
        return len(s) <= longest and s == s[::-1] and word in s

    @staticmethod
    def sol(word, longest):
        return word + word[-2::-1]

    def gen(self, n):
        for word in ["pepper", "banjo", "teapot", "umbrella"][:n]:
            self.add(word=word, longest=2 * len(word) - 1)


class LaterAnagram(Generator):
    @staticmethod
    def sat(s: str, word="astern"):
        """Shuffle the letters so that the result stands after the word in a dictionary."""
        return s > word and sorted(s) == sorted(word)

    @staticmethod
    def sol(word):
        return "".join(sorted(word, reverse=True))

    def gen(self, n):
        for word in ["listen", "carthorse", "dormitory", "elbow"][:n]:
            self.add(word=word)


class PreviousAnagram(Generator):
    @staticmethod
    def sat(s: str, word="dcba"):
        """All anagrams of the word are listed alphabetically. Which one stands right before the word?"""
        from itertools import permutations

        anagrams = sorted({"".join(p) for p in permutations(word)})
        return s in anagrams and anagrams[anagrams.index(s) + 1 :][:1] == [word]

    @staticmethod
    def sol(word):
        from itertools import permutations

        anagrams = sorted({"".join(p) for p in permutations(word)})
        return anagrams[anagrams.index(word) - 1]

    def gen(self, n):
        for word in ["tools", "peel", "react", "mango"][:n]:
            self.add(word=word)


class ShyAlphabet(Generator):
    @staticmethod
    def sat(s: str, letters="abcdefghijklmnopqrstuvwxyz"):
        """Line up all letters so that no two neighbours in the alphabet stand side by side."""
        return sorted(s) == sorted(letters) and all(abs(ord(a) - ord(b)) > 1 for a, b in zip(s, s[1:]))

    @staticmethod
    def sol(letters):
        return letters[1::2] + letters[::2]

    def gen(self, n):
        for letters in ["abcdefgh", "mnopqrstuv", "abcdef"][:n]:
            self.add(letters=letters)


class Lipogram(Generator):
    @staticmethod
    def sat(s: str, text="seven brown foxes run to town and eat hot corn", letter="e"):
        """Strike out every word that holds the forbidden letter and keep the rest in order."""
        return s.split() == [w for w in text.split() if letter not in w] and "  " not in s

    @staticmethod
    def sol(text, letter):
        return " ".join(w for w in text.split() if letter not in w)

    def gen(self, n):
        text = "a cold wind was blowing over hills and under bridges until morning"
        for letter in "aeou"[:n]:
            self.add(text=text, letter=letter)


class Acrostic(Generator):
    @staticmethod
    def sat(x: List[str], stock=["otter", "lion", "eagle", "heron", "puma", "ibis"], message="help"):
        """Choose animals from the stock whose initials, read downwards, spell the message."""
        return all(w in stock for w in x) and "".join(w[0] for w in x) == message

    @staticmethod
    def sol(stock, message):
        return [next(w for w in stock if w[0] == c) for c in message]

    def gen(self, n):
        stock = ["ant", "bear", "crow", "dingo", "emu", "ferret", "goose", "hare", "lynx", "newt", "owl", "rat", "toad"]
        for message in ["bread", "anchor", "flagon", "teacher"][:n]:
            self.add(stock=stock, message=message)


class DoubletChain(Generator):
    @staticmethod
    def sat(
        x: List[str], stock=["cold", "cord", "card", "ward", "warm", "worm", "word", "wold"], first="cold", last="warm"
    ):
        """Walk from the first word to the last through words of the stock, changing one letter at a time."""
        steps = all(len(a) == len(b) and sum(c != d for c, d in zip(a, b)) == 1 for a, b in zip(x, x[1:]))
        return steps and x[0] == first and x[-1] == last and all(w in stock for w in x)

    @staticmethod
    def sol(stock, first, last):
        paths = [[first]]
        for path in paths:
            if path[-1] == last:
                return path
            near = [w for w in stock if sum(c != d for c, d in zip(w, path[-1])) == 1]
            paths += [[*path, w] for w in near if w not in path]

    def gen(self, n):
        stock = ["cat", "cot", "cog", "dog", "dot", "hot", "hat", "bat", "bag", "big", "pig", "pit", "pin"]
        for first, last in [("cat", "dog"), ("hot", "pig"), ("dog", "pin")][:n]:
            self.add(stock=stock, first=first, last=last)


class SharedThread(Generator):
    @staticmethod
    def sat(s: str, a="thunderstorm", b="tournament", k=5):
        """Find k letters that appear in this order, with or without gaps, in both words."""
        left, right = iter(a), iter(b)
        return len(s) == k and all(c in left for c in s) and all(c in right for c in s)

    @staticmethod
    def sol(a, b, k):
        best = {(i, j): "" for i in range(len(a) + 1) for j in range(len(b) + 1)}
        for i, c in enumerate(a):
            for j, d in enumerate(b):
                longer = best[i, j] + c if c == d else ""
                best[i + 1, j + 1] = max(longer, best[i, j + 1], best[i + 1, j], key=len)
        return best[len(a), len(b)][:k]

    def gen(self, n):
        for a, b, k in [
            ("watermelon", "alternate", 5),
            ("lighthouse", "greenhouse", 6),
            ("strawberry", "stationery", 6),
        ][:n]:
            self.add(a=a, b=b, k=k)


class TightLuggage(Generator):
    @staticmethod
    def sat(s: str, pieces=["other", "thermos", "mosaic"], longest=11):
        """Pack all these words into one short text, letting them overlap."""
        return len(s) <= longest and all(piece in s for piece in pieces)

    @staticmethod
    def sol(pieces, longest):
        from itertools import permutations

        packed = []
        for order in permutations(pieces):
            s = order[0]
            for piece in order[1:]:
                k = next(k for k in range(len(piece), -1, -1) if s.endswith(piece[:k]))
                s += piece[k:]
            packed.append(s)
        return min(packed, key=len)

    def gen(self, n):
        sets = [("lemon", "monkey", "keyring", 12), ("tango", "gondola", "lamp", 12), ("pearl", "early", "lyric", 9)]
        for a, b, c, longest in sets[:n]:
            self.add(pieces=[c, a, b], longest=longest)


class Stutter(Generator):
    @staticmethod
    def sat(s: str, word="balon", n=9):
        """Stutter: repeat letters of the word in place until it has n letters, none of them five times in a row."""
        told = "".join(c for i, c in enumerate(s) if i == 0 or s[i - 1] != c)
        return len(s) == n and told == word and all(c * 5 not in s for c in word)

    @staticmethod
    def sol(word, n):
        extra = n - len(word)
        takes = [min(3, max(0, extra - 3 * i)) for i in range(len(word))]
        return "".join(c * (1 + take) for c, take in zip(word, takes))

    def gen_random(self):
        word = self.random.choice(["minute", "salad", "robin", "panic", "velcro"])
        self.add(word=word, n=len(word) + self.random.randrange(5, 15))


class VowelSandwich(Generator):
    @staticmethod
    def sat(s: str, bag="aabbcdeei"):
        """Use up all letters of the bag so that vowels and consonants alternate."""
        kinds = [c in "aeiou" for c in s]
        return sorted(s) == sorted(bag) and all(a != b for a, b in zip(kinds, kinds[1:]))

    @staticmethod
    def sol(bag):
        vowels, others = [c for c in bag if c in "aeiou"], [c for c in bag if c not in "aeiou"]
        longer, shorter = (vowels, others) if len(vowels) > len(others) else (others, vowels)
        return "".join(a + b for a, b in zip(longer, [*shorter, ""]))

    def gen_random(self):
        k = self.random.randrange(3, 7)
        bag = [self.random.choice("aeiou") for _ in range(k)] + [self.random.choice("bdfgklmnprst") for _ in range(k)]
        self.add(bag="".join(sorted(bag)))


class NarrowColumn(Generator):
    @staticmethod
    def sat(
        x: List[str], text="the early bird may get the worm but the second mouse gets the cheese", width=16, lines=5
    ):
        """Set the text in a narrow column: no line wider than the column, and not too many lines."""
        return len(x) <= lines and " ".join(x) == text and all(0 < len(line) <= width for line in x)

    @staticmethod
    def sol(text, width, lines):
        import textwrap

        return textwrap.wrap(text, width)

    def gen_random(self):
        import textwrap

        text = "a watched pot never boils unless the cook looks away for a moment to answer the door"
        width = self.random.randrange(9, 40)
        self.add(text=text, width=width, lines=len(textwrap.wrap(text, width)))


class TurnTheRing(Generator):
    @staticmethod
    def sat(n: int, ring="onestep", wanted="stepone"):
        """The letters are engraved around a ring. By how many places must it be turned to read as wanted?"""
        return 0 < n < len(ring) and ring[n:] + ring[:n] == wanted

    @staticmethod
    def sol(ring, wanted):
        return (ring + ring).index(wanted)

    def gen(self, n):
        for ring, k in [("lavenderblue", 5), ("starfish", 3), ("windowsill", 8), ("overcoat", 4)][:n]:
            self.add(ring=ring, wanted=ring[k:] + ring[:k])


class UnheardRhythm(Generator):
    @staticmethod
    def sat(s: str, played="xxoxoooxxxooxx", beats=4):
        """Find a rhythm of x and o, this many beats long, that does not occur in what was played."""
        return len(s) == beats and set(s) <= {"x", "o"} and s not in played

    @staticmethod
    def sol(played, beats):
        from itertools import product

        return next(s for s in map("".join, product("xo", repeat=beats)) if s not in played)

    def gen_random(self):
        beats = self.random.randrange(3, 8)
        played = "".join(self.random.choice("xo") for _ in range(2**beats))
        self.add(played=played, beats=beats)


class RansomNote(Generator):
    @staticmethod
    def sat(x: List[int], magazine="local baker wins prize for pie", note="bowlofapes"):
        """Cut letters out of the magazine, each position once, to paste together the note."""
        return len(set(x)) == len(x) == len(note) and all(magazine[i] == c for i, c in zip(x, note))

    @staticmethod
    def sol(magazine, note):
        used = []
        for c in note:
            used.append(next(i for i, d in enumerate(magazine) if d == c and i not in used))
        return used

    def gen(self, n):
        for note in ["sleepyparrot", "torso", "silver"][:n]:
            self.add(magazine="several royal parties planned on sleepy isle to restore spirits", note=note)


class MachineName(Generator):
    @staticmethod
    def sat(s: str, name="LeftPaddleWheel"):
        """Write the name in lower case with underscores, so that gluing capitalised parts gives it back."""
        return s == s.lower() and "_" in s and "".join(part.capitalize() for part in s.split("_")) == name

    @staticmethod
    def sol(name):
        return "".join("_" * (i > 0 and c.isupper()) + c.lower() for i, c in enumerate(name))

    def gen(self, n):
        for name in ["SpareKey", "RedDoorOnTheLeft", "GrandPianoStool"][:n]:
            self.add(name=name)
