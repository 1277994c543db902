"""The only statements that add to a ledger. Each does nothing to a row that is there already."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, Table
from sqlalchemy.exc import IntegrityError

from guerdon.core.errors import LedgerError, did_you_mean
from guerdon.core.plain import canonical, digest
from guerdon.core.task import Task
from guerdon.ledger import codec, schema
from guerdon.ledger.codec import pack
from guerdon.ledger.database import execute, query
from guerdon.ledger.rows import STATUSES, AttemptRow, ChoiceRow, RunRow, StepRow, VerdictRow

_IDENTITY = ("challenge", "split", "visibility", "solver", "judge", "seed", "recipe")
_TABLES: tuple[Table, ...] = (schema.runs, schema.tasks, schema.attempts, schema.steps, schema.choices)


class Adding:
    """Adds rows over the connection of a transaction that the caller has opened.

    Args:
        mark: the driver's mark for a value.
    """

    def __init__(self, mark: str) -> None:
        self._insert = {table.name: schema.insert(table, mark) for table in _TABLES}
        self._insert_verdict = schema.insert_verdict(mark)
        self._numbers: dict[str, int] = {}

    def forget(self) -> None:
        """Forget the numbers of runs: a transaction was undone, and perhaps a run with it."""
        self._numbers.clear()

    def number(self, connection: Connection, run: str) -> int:
        """The number of a run in this data base.

        Raises:
            LedgerError: it has not begun.
        """
        if run not in self._numbers:
            found = query(connection, "SELECT seq FROM runs WHERE id = ?", [pack(run)])
            if not found:
                raise LedgerError("rows of a run that has begun", f"there is no run {run!r}", "Call begin(run) first")
            self._numbers[run] = int(found[0][0])
        return self._numbers[run]

    def run(self, connection: Connection, run: RunRow) -> RunRow:
        """A run; the stored one comes back.

        Raises:
            LedgerError: the stored one is another run.
        """
        check_status(run.status)
        row = run if run.created else replace(run, created=time.time())
        columns = codec.encoded("run", [row], codec.run_columns)
        connection.exec_driver_sql(self._insert["runs"], columns)
        found = query(connection, f"SELECT {codec.RUN} FROM runs WHERE id = ?", [pack(run.id)])
        stored = codec.run_row(found[0])
        for name in _IDENTITY:
            mine, kept = canonical(getattr(run, name)), canonical(getattr(stored, name))
            if mine != kept:
                raise LedgerError(
                    f"run {run.id!r} goes on as it began",
                    f"its {name} is {_short(mine)}, recorded is {_short(kept)}",
                    "Choose another name for the new run",
                )
        return stored

    def tasks(self, connection: Connection, rows: Sequence[tuple[str, Task]]) -> None:
        """Tasks, each with its challenge."""

        def columns(row: tuple[str, Task]) -> codec.Columns:
            challenge, task = row
            return codec.task_columns(challenge, task, digest(challenge, task.id, task.data))

        self._add(connection, "tasks", codec.encoded("task", rows, columns))

    def attempts(self, connection: Connection, rows: Sequence[AttemptRow]) -> None:
        """Attempts of runs that have begun."""
        numbers = self._all_numbers(connection, rows)
        made = codec.encoded("attempt", rows, lambda row: codec.attempt_columns(row, numbers[row.run]))
        self._add(connection, "attempts", made)

    def verdicts(self, connection: Connection, rows: Sequence[VerdictRow]) -> None:
        """Verdicts on attempts that are recorded.

        Raises:
            LedgerError: one is on an unknown attempt.
        """
        now = time.time()
        made = codec.encoded("verdict", rows, lambda row: codec.verdict_columns(row, now))
        try:
            if made:
                execute(connection, self._insert_verdict, made)
        except IntegrityError as error:
            raise LedgerError(
                "verdicts on recorded attempts", f"at least one of {len(made)} is on an unknown one", "Record it first"
            ) from error

    def steps(self, connection: Connection, rows: Sequence[StepRow]) -> None:
        """Finished steps."""
        numbers = self._all_numbers(connection, rows)
        self._add(
            connection, "steps", codec.encoded("step", rows, lambda row: codec.step_columns(row, numbers[row.run]))
        )

    def choices(self, connection: Connection, rows: Sequence[ChoiceRow]) -> None:
        """Choices."""
        numbers = self._all_numbers(connection, rows)
        made = codec.encoded("choice", rows, lambda row: codec.choice_columns(row, numbers[row.run]))
        self._add(connection, "choices", made)

    def _all_numbers(
        self, connection: Connection, rows: Sequence[AttemptRow] | Sequence[StepRow] | Sequence[ChoiceRow]
    ) -> dict[str, int]:
        return {run: self.number(connection, run) for run in {row.run for row in rows}}

    def _add(self, connection: Connection, table: str, columns: list[codec.Columns]) -> None:
        if columns:
            execute(connection, self._insert[table], columns)


def check_status(status: str) -> None:
    """Refuse what is not the status of a run."""
    if status not in STATUSES:
        raise LedgerError("the status of a run", f"got {status!r}", did_you_mean(status, STATUSES))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
