"""P3: find any input for which a short Python function returns True. The verifier is the specification."""

from guerdon.core.card import Card

_HERE = "guerdon.systems.programming_puzzles"

CARD = Card(
    slug="programming-puzzles",
    title="Programming Puzzles (P3)",
    year=2021,
    claim="A solver that learns from its own verified solutions solves more puzzles than one that does not, "
    "and about as many as one shown worked examples.",
    differs="The judge runs the verifier itself, strictly: exact answer type, `is True`, in a sandbox.\n"
    "Enumerative solvers search a typed grammar in order of probability, uniform or learned by a random forest.\n"
    "Language-model solvers complete code: short, medium (worked examples), long (English), bootstrapped from\n"
    "their own solutions. Loop, budgets, resume, sandbox, models, pass@k and reports are the shared rooms'.",
    sources=("arXiv 2106.05784", "arXiv 2207.14502", "https://github.com/microsoft/PythonProgrammingPuzzles"),
    challenge=f"{_HERE}.challenge:ProgrammingPuzzles",
    solvers=(
        ("enumerative", f"{_HERE}.enumerative:Enumerative"),
        ("lm", f"{_HERE}.lm_solver:LanguageModel"),
        ("human", f"{_HERE}.human:Human"),
    ),
)
