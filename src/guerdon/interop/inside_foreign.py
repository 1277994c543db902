"""What runs in the sandbox around a foreign evaluator. Its source is sent there; it imports nothing of ours."""

from __future__ import annotations

RUNNER = """
import importlib, json, os, runpy, shutil, sys, traceback


def main(files, call):
    root = os.path.join("/tmp", "job-%d" % os.getpid())
    os.mkdir(root)
    try:
        for name, data in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if name.startswith("program/") and name.endswith(".py"):
                for quote in (b"'", b'"'):
                    data = data.replace(quote + b"/app/", quote + root.encode() + b"/")
            with open(path, "wb") as file:
                file.write(data)
        return {"told": KINDS[call["kind"]](root, call)}
    except BaseException as error:
        return said(error, root)
    finally:
        os.chdir("/")
        shutil.rmtree(root, ignore_errors=True)


def said(error, root):
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(root)]
    place = " at " + ", ".join("%s:%d" % (os.path.relpath(f.filename, root), f.lineno) for f in frames[-3:])
    found = {"error": type(error).__name__[:60] + (place if frames else "")}
    try:
        found["detail"] = "".join(traceback.format_exception(error))[-4000:].replace(root, "")
    except BaseException:
        found["detail"] = "an exception that cannot be shown"
    if isinstance(error, SystemExit):
        found["error"] = "it left with status %.20s" % (error.code,)
    if type(error).__name__ == "ParticipantVisibleError":
        found["entrant"] = str(error)[:300]
    return found


def number(value):
    if isinstance(value, (bool, str, bytes)) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def evalai(root, call):
    program = os.path.join(root, "program")
    sys.path[:0] = [root, program]
    os.chdir(program)
    module = importlib.import_module("program" if call["package"] else call["module"])
    keys = os.path.join(root, "keys")
    given = os.path.join(keys, call["keys"])
    answer = os.path.join(root, call["answer"])
    told = module.evaluate(given, answer, call["argument"], submission_metadata={})
    rows = told.get("result", []) if isinstance(told, dict) else []
    return [
        {str(split): {str(k): number(v) for k, v in dict(measures).items()} for split, measures in dict(row).items()}
        for row in rows
    ]


def codabench(root, call):
    program = os.path.join(root, "program")
    output = os.path.join(root, "output")
    os.makedirs(output)
    os.makedirs(os.path.join(root, "input", "res"), exist_ok=True)
    os.makedirs(os.path.join(root, "input", "ref"), exist_ok=True)
    os.chdir(program)
    words = [word.replace("$ROOT", root) for word in call["command"]]
    script = os.path.join(program, words[0])
    sys.argv = [script, *words[1:]]
    sys.path[:0] = [os.path.dirname(script)]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as left:
        if left.code not in (None, 0):
            raise
    told = {}
    for name in ("scores.json", "scores.txt"):
        path = os.path.join(output, name)
        if os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as file:
                told[name] = file.read(1 << 16)
    return told


def kaggle(root, call):
    import pandas
    sys.path[:0] = [os.path.join(root, "program")]
    module = importlib.import_module(call["module"])
    text = {call["row_id"]: str}
    solution = pandas.read_csv(os.path.join(root, "keys", "solution.csv"), dtype=text)
    answer = pandas.read_csv(os.path.join(root, call["answer"]), dtype=text)
    return number(module.score(solution, answer, call["row_id"], **call["options"]))


KINDS = {"evalai": evalai, "codabench": codabench, "kaggle": kaggle}
"""
"""Writes the files, calls the evaluator, and says what it said: numbers, or which exception came from which line.

An exception's own text may hold parts of a key, so it stays in `detail`, which is shown to organisers only. Paths that
begin with `/app/`, where Codabench has its folders, are moved into the scratch folder.
"""
