"""Records trials with Optuna: ask, one attribute, tell. Argument: `rdb` (SQLite) or `journal` (a file)."""

import os
import sys
from pathlib import Path

import optuna
from speak import serve

optuna.logging.set_verbosity(optuna.logging.WARNING)
STATE = {}
STUDY = "numbers"


def storage():
    """The storage of the chosen kind in the folder at hand."""
    if sys.argv[1] == "rdb":
        return optuna.storages.RDBStorage(f"sqlite:///{STATE['folder']}/optuna.db")
    backend = optuna.storages.journal.JournalFileBackend(str(STATE["folder"] / "optuna.log"))
    return optuna.storages.JournalStorage(backend)


def prepare(folder, **_):
    """Make the data base and the study, as a user does once."""
    STATE["folder"] = Path(folder)
    STATE["study"] = optuna.create_study(study_name=STUDY, storage=storage(), direction="maximize")


def work(study, first, count, note):
    """Record trials: nothing is suggested, so the sampler is idle."""
    for answer in range(first, first + count):
        trial = study.ask()
        trial.set_user_attr("answer", answer)
        if note:
            trial.set_user_attr("note", "x" * note)
        study.tell(trial, answer * 7919 % 1000 / 1000)


def record(count, note=0, **_):
    """Record so many trials."""
    work(STATE["study"], 0, count, note)


def record_by_two(count, note=0, **_):
    """Two processes record half each into the one study."""
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                work(optuna.load_study(study_name=STUDY, storage=storage()), 0, count // 2, note)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    if any(os.waitpid(pid, 0)[1] for pid in children):
        raise RuntimeError("a writer failed")


def read(**_):
    """What is in the data base: answer, value and length of the note, sorted."""
    study = optuna.load_study(study_name=STUDY, storage=storage())
    rows = [(trial.user_attrs, trial.value) for trial in study.get_trials(deepcopy=False)]
    return sorted([notes["answer"], value, len(notes.get("note", ""))] for notes, value in rows)


if __name__ == "__main__":
    serve({"prepare": prepare, "record": record, "record_by_two": record_by_two, "read": read})
