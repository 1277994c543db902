"""The language-model solvers: complete code, with worked examples or with one's own solutions in the prompt."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from guerdon.core.errors import ConfigError, ProviderError, did_you_mean
from guerdon.core.plain import Json, digest
from guerdon.core.rng import stream
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged
from guerdon.lm.prompts import prompt_digest, text_of
from guerdon.lm.protocol import Generation, Model, Prompt, Sampling
from guerdon.lm.shared import opened
from guerdon.systems.programming_puzzles import lm_prompts
from guerdon.systems.programming_puzzles.examples import EXAMPLES

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Style = Literal["short", "medium", "long", "bootstrap"]
State = dict[str, Any]

RETRIES = 3
"""A puzzle whose generations all failed is asked again in so many later asks before those samples are given up."""
CHAT_TOKENS = 32
"""Room for the marks of a chat template, which `Model.count` does not see."""


@dataclass(frozen=True, kw_only=True)
class LanguageModel(Learner[State]):
    """Sample solutions from a language model (Schuster et al., arXiv 2106.05784).

    `short`, `medium` and `long` draw `attempts` independent samples of each puzzle, first one for each puzzle, then
    the second: a small budget gives pass@1 of all puzzles, and equal numbers keep pass@k unbiased. `bootstrap` starts
    from an empty prompt and shows the model what it has solved itself; each iteration takes the unsolved puzzles in a
    new random order, `iteration` attempts each, and a solution serves from the next ask on.

    Where we differ: in `short`, the names of the puzzle's inputs may be used in the argument; a reply that is no
    source is recorded as it came, and is judged invalid, where the original dropped it.
    """

    model: str = "smollm2"
    """What `guerdon.lm.open_model` opens; the paper used two Codex models, which no longer exist."""
    prompt: Style = "medium"
    """How to ask: short, medium, long (with English) or bootstrap (source: the paper)."""
    chat: bool = False
    """Ask in a chat turn for a fenced block, for models that do not complete text; not in the paper."""
    attempts: int = 32
    """Samples per puzzle; 1000 in the paper, 1024 with bootstrap."""
    temperature: float = 0.9
    """Of sampling (source: the paper)."""
    top_p: float = 1.0
    """Nucleus of sampling; 1 keeps all, as in the paper."""
    max_tokens: int = 150
    """Most tokens of one completion (source: the paper)."""
    batch: int = 32
    """Answers per ask; a choice of ours."""
    context: int = 2048
    """Tokens of a bootstrap prompt and its completion together; 2048 and, for the larger model, 4096 in the paper."""
    iteration: int = 32
    """Bootstrap: attempts per unsolved puzzle in one iteration (authors' code)."""
    stop_when_solved: bool = False
    """Ask no more of a solved puzzle: cheaper, but pass@k is then biased. Bootstrap always does."""

    name: ClassVar[str] = "lm"

    def __post_init__(self) -> None:
        styles = get_args(Style)
        if self.prompt not in styles:
            raise ConfigError(
                "prompt is short, medium, long or bootstrap", f"got {self.prompt!r}", did_you_mean(self.prompt, styles)
            )
        if self.chat and self.prompt == "short":
            raise ConfigError("chat asks for a whole function", "got prompt='short'", "Use medium, long or bootstrap")
        for field in ("attempts", "batch", "iteration"):
            if getattr(self, field) < 1:
                raise ConfigError(f"{field} is at least 1", f"got {getattr(self, field)}", "Raise it")
        if self.context <= self.max_tokens:
            got = f"got {self.context} and {self.max_tokens}"
            raise ConfigError("context is larger than max_tokens", got, "Leave room for the prompt")
        self._sampling(1, 0)

    def fingerprint(self) -> str:
        """Digest of the model and of the shown examples: another model is another run."""
        examples = lm_prompts.worked_examples(self.prompt == "long") if self.prompt in ("medium", "long") else ""
        return digest(opened(self.model).digest, examples)

    @property
    def independent(self) -> bool:
        """True when every attempt at a puzzle is drawn alike, so that pass@k means something."""
        return self.prompt != "bootstrap" and not self.stop_when_solved

    def start(self, problem: Problem, rng: Rng) -> State:
        """Nothing tried, nothing solved, and a seed for the order of the puzzles."""
        return {"seed": int(rng.integers(1 << 31)), "tried": {}, "lost": {}, "missed": {}, "solved": {}, "tokens": 0}

    def ask(self, problem: Problem, state: State, rng: Rng) -> Sequence[Answer]:
        """The next samples; those that the provider failed to give come again in a later ask.

        Raises:
            ProviderError: it gave nothing, nor for the puzzles that would come next.
        """
        owed: dict[str, Json] = {}
        fault = ""
        for _ in range(RETRIES + 1):
            plan = self._plan(problem, state, owed) or self._plan(problem, state)
            if not plan:
                return []
            answers, faults = self._samples(problem, state, plan, rng)
            given = {answer.task for answer in answers}
            owed.update((task, count) for task, count in Counter(plan).items() if task not in given)
            if answers:
                first = replace(answers[0], note={**answers[0].note, "owed": owed}) if owed else answers[0]
                return [first, *answers[1:]]
            fault = faults[-1]
        raise ProviderError(f"{self.model} gives texts", f"{RETRIES + 1} times faults only, {fault}", "Run it again")

    def tell(self, problem: Problem, state: State, judged: Sequence[Judged], rng: Rng) -> State:
        """Count the samples, keep each puzzle's first solution, and note what the provider owes."""
        tried, lost, missed, solved = (dict(state[name]) for name in ("tried", "lost", "missed", "solved"))
        for item in judged:
            task, content = item.task.id, item.answer.content
            tried[task] = tried.get(task, 0) + 1
            missed.pop(task, None)
            if item.score.value == 1.0 and isinstance(content, Mapping) and "code" in content:
                solved.setdefault(task, content["code"])
        for item in judged:
            owed: Any = item.answer.note.get("owed", {})
            for task, count in owed.items():
                missed[task] = missed.get(task, 0) + 1
                if missed[task] > RETRIES:
                    lost[task] = lost.get(task, 0) + count
                    del missed[task]
        tokens = state["tokens"] + sum(item.answer.tokens for item in judged)
        return {**state, "tried": tried, "lost": lost, "missed": missed, "solved": solved, "tokens": tokens}

    def progress(self, state: State) -> Mapping[str, str | int | float]:
        """Puzzles solved, samples drawn and lost, tokens."""
        sums = {"tried": sum(state["tried"].values()), "lost": sum(state["lost"].values())}
        return {"solved": len(state["solved"]), **sums, "tokens": state["tokens"]}

    # ── whose turn it is ────────────────────────────────────────────────────────────────────────────────────────

    def _plan(self, problem: Problem, state: State, without: Container[str] = ()) -> list[str]:
        """The puzzles of the next ask, once per sample."""
        bootstrap = self.prompt == "bootstrap"
        done = {task.id: state["tried"].get(task.id, 0) + state["lost"].get(task.id, 0) for task in problem.tasks}
        leave = state["solved"] if bootstrap or self.stop_when_solved else {}
        left = {
            task: count
            for task, count in done.items()
            if count < self.attempts and task not in leave and task not in without
        }
        if not left:
            return []
        if bootstrap:
            return self._iterate(list(done), left, state["seed"])
        plan: list[str] = []
        level = min(left.values())
        while len(plan) < self.batch and level < self.attempts:
            plan += [task for task, count in left.items() if count <= level]
            level += 1
        return plan[: self.batch]

    def _iterate(self, tasks: list[str], left: Mapping[str, int], seed: int) -> list[str]:
        """The rest of the current iteration, puzzle by puzzle in its random order."""
        number = min(left.values()) // self.iteration
        top = min((number + 1) * self.iteration, self.attempts)
        order = [tasks[at] for at in stream(seed, "order", number).permutation(len(tasks))]
        plan = [task for task in order if task in left for _ in range(top - left[task])]
        return plan[: self.batch]

    # ── asking and reading ──────────────────────────────────────────────────────────────────────────────────────

    def _samples(self, problem: Problem, state: State, plan: Sequence[str], rng: Rng) -> tuple[list[Answer], list[str]]:
        """An answer for each sample that came, in the plan's order, and the faults of the others."""
        model, turn = opened(self.model).model, Counter(plan)
        data = {task.id: task.data for task in problem.tasks if task.id in turn}
        solved = _pairs(problem, state) if self.prompt == "bootstrap" else []
        asked = {task: self._question(model, data[task], solved, rng) for task in turn}
        drawn = self._draw(model, {task: prompt for task, (prompt, _) in asked.items()}, turn, rng)
        index: Counter[str] = Counter(state["tried"])
        answers, faults = [], []
        for task in plan:
            each = next(drawn[task])
            # What the prompt itself is to blame for (it is too long) will not go better next time: it is an attempt.
            if each.fault is not None and each.fault.whose != "solver":
                faults.append(str(each.fault))
                continue
            answers.append(self._answer(task, data[task], each, *asked[task], index[task]))
            index[task] += 1
        return answers, faults

    def _question(
        self, model: Model, data: Mapping[str, Json], solved: list[tuple[str, str]], rng: Rng
    ) -> tuple[Prompt, int]:
        """The prompt for one puzzle, and the number under which it asks."""
        if self.prompt == "short":
            return lm_prompts.short_prompt(data), 0
        english = self.prompt == "long"
        if self.prompt != "bootstrap":
            number = len(EXAMPLES) + 1
            return self._dressed(data, lm_prompts.worked_prompt(data, english=english), number), number
        shuffled = [solved[at] for at in rng.permutation(len(solved))]
        room = min(self.context, model.context or self.context) - self.max_tokens - CHAT_TOKENS * self.chat

        def dressed(shown: int) -> Prompt:
            return self._dressed(data, lm_prompts.learned_prompt(data, shuffled[:shown]), shown + 1)

        sizes = range(1, len(shuffled) + 1)
        shown = bisect_right(sizes, room, key=lambda count: model.count([text_of(dressed(count))])[0])
        return dressed(shown), shown + 1

    def _dressed(self, data: Mapping[str, Json], text: str, number: int) -> Prompt:
        return lm_prompts.chat_prompt(data, text, number, english=self.prompt == "long") if self.chat else text

    def _sampling(self, n: int, seed: int) -> Sampling:
        stop = () if self.chat else lm_prompts.STOP_ARGUMENT if self.prompt == "short" else lm_prompts.STOP_BODY
        return Sampling(
            max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p, n=n, stop=stop, seed=seed
        )

    def _draw(
        self, model: Model, prompts: Mapping[str, Prompt], turn: Counter[str], rng: Rng
    ) -> dict[str, Iterator[Generation]]:
        """So many different generations for each puzzle; one call for all that need the same number."""
        drawn: dict[str, Iterator[Generation]] = {}
        seed = int(rng.integers(1 << 31))
        for n in sorted(set(turn.values())):
            tasks = [task for task in turn if turn[task] == n]
            texts = model.generate([prompts[task] for task in tasks], self._sampling(n, seed))
            drawn.update((task, iter(each)) for task, each in zip(tasks, texts, strict=True))
        return drawn

    def _answer(
        self, task: str, data: Mapping[str, Json], each: Generation, prompt: Prompt, number: int, index: int
    ) -> Answer:
        """What is handed in: source, or the raw text of a reply that is none, which the judge calls invalid."""
        read = self._read(data, each.text, number)
        note: dict[str, Json] = {"finish": each.finish, "model": each.model, "sample": index, "parsed": read.parsed}
        if each.tokens is not None and each.prompt_tokens is not None:
            note["tokens"] = each.tokens + each.prompt_tokens
        if each.fault is not None:
            note["fault"] = str(each.fault)
        if self.prompt == "bootstrap":
            note |= {"examples": number - 1, "prompt": prompt_digest(prompt)}
        return Answer(task, {"code" if read.parsed else "text": read.code}, note=note)

    def _read(self, data: Mapping[str, Json], text: str, number: int) -> lm_prompts.Reading:
        if self.chat:
            return lm_prompts.read_chat(data, text, number)
        if self.prompt == "short":
            return lm_prompts.read_argument(data, text)
        return lm_prompts.read_body(data, text, number)


def _pairs(problem: Problem, state: State) -> list[tuple[str, str]]:
    """Puzzle and own solution of what is solved, in the challenge's order, which saving does not change."""
    solved = state["solved"]
    return [
        (str(task.data["sat"]), lm_prompts.solution_of(solved[task.id])) for task in problem.tasks if task.id in solved
    ]
