"""Records samples with Inspect AI: a mock model, one sample per record, the log file in its own format."""

from pathlib import Path

import inspect_ai
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import read_eval_log
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, mean, scorer
from inspect_ai.solver import generate
from speak import serve

STATE = {}


@scorer(metrics=[mean()])
def worth():
    """A number in [0, 1) that follows from the sample."""

    async def score(state, target):
        return Score(value=int(state.input_text) * 7919 % 1000 / 1000)

    return score


def reply(*_):
    """The mock model's answer; it states its usage, for else the mock counts tokens of the prompt."""
    output = ModelOutput.from_content(model="mockllm", content="ok")
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


def prepare(folder, **_):
    """Name the folder of the logs."""
    STATE["folder"] = Path(folder)


def record(count, note=0, **_):
    """Record so many samples, with the live log and the display turned off."""
    metadata = {"note": "x" * note} if note else None
    samples = [Sample(input=str(i), target=str(i), id=i + 1, metadata=metadata) for i in range(count)]
    task = inspect_ai.Task(dataset=MemoryDataset(samples), solver=generate(), scorer=worth())
    model = get_model("mockllm/model", custom_outputs=reply, memoize=False)
    inspect_ai.eval(task, model=model, log_dir=str(STATE["folder"]), log_realtime=False, display="none")


def read(**_):
    """What is in the logs: answer, value and length of the note, sorted."""
    found = []
    for path in STATE["folder"].glob("*.eval"):
        for sample in read_eval_log(str(path)).samples:
            note = (sample.metadata or {}).get("note", "")
            found.append([int(sample.input), sample.scores["worth"].value, len(note)])
    return sorted(found)


if __name__ == "__main__":
    serve({"prepare": prepare, "record": record, "read": read})
