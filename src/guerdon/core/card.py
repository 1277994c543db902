"""A system's card: what it is, where it comes from, what it claims, and what makes it different."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One published system.

    Args:
        slug: its name everywhere: command, page, test, docs (the folder has underscores for dashes).
        title: its full name.
        year: of publication.
        claim: the headline claim, in one sentence.
        differs: at most six lines: what is new here compared with the shared rooms.
        sources: papers and repositories.
        challenge: "module:Class" of the challenge that has the slug as its name, if there is one.
        challenges: name → "module:Class" of further challenges, under names of their own.
        solvers: name → "module:Class" of its solvers.
    """

    slug: str
    title: str
    year: int
    claim: str
    differs: str
    sources: tuple[str, ...] = ()
    challenge: str | None = None
    challenges: tuple[tuple[str, str], ...] = ()
    solvers: tuple[tuple[str, str], ...] = ()

    @property
    def poses(self) -> dict[str, str]:
        """All its challenges by name, that of the slug first."""
        own = {} if self.challenge is None else {self.slug: self.challenge}
        return {**own, **dict(self.challenges)}
