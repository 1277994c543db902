"""TRL: GRPOTrainer with its own scoring, reference, loss and optimiser; answers are put in where it would draw them."""

import os
import tempfile
import warnings

import torch
from datasets import Dataset
from p16_work import BETA, CLIP_NORM, GROUP, LR, MOST, PROMPTS, answers, model, prompts, score, tokenizer
from speak import serve
from trl import GRPOConfig, GRPOTrainer

warnings.simplefilter("ignore")
os.environ["TQDM_DISABLE"] = "1"
torch.set_num_threads(1)
state = {}


def trainer(steps):
    """A fresh trainer of that many steps; making it is not measured."""
    folder = tempfile.mkdtemp()
    words = tokenizer()
    model().save_pretrained(folder)
    words.save_pretrained(folder)
    settings = GRPOConfig(
        output_dir=folder, max_steps=steps, per_device_train_batch_size=PROMPTS * GROUP, num_generations=GROUP,
        use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, bf16=False, max_completion_length=MOST,
        beta=BETA, learning_rate=LR, lr_scheduler_type="constant", gradient_checkpointing=False, loss_type="grpo",
        shuffle_dataset=False, max_grad_norm=CLIP_NORM, logging_steps=1, logging_strategy="steps",
    )  # fmt: skip
    rows = Dataset.from_list([{"prompt": words.decode(line).replace(" ", "")} for line in prompts()])

    def reward(completion_ids, **_):
        return [score(ids) for ids in completion_ids]

    made = GRPOTrainer(folder, reward_funcs=[reward], args=settings, train_dataset=rows, processing_class=words)
    wanted = [list(map(int, line)) for line in prompts()]

    def given(prompt_ids, *_):
        if [list(map(int, line)) for line in prompt_ids[::GROUP]] != wanted:
            raise ValueError(f"the prompts came as {prompt_ids}")
        return answers(made.state.global_step), None

    made._generate_single_turn = given
    return made


def prepare(steps):
    """Make the trainer of the next pass."""
    state["trainer"] = trainer(steps)


def fill():
    """Train."""
    state["trainer"].train()


def read():
    """Loss and gradient's norm of each step."""
    rows = [row for row in state.pop("trainer").state.log_history if "loss" in row]
    return [[float(row["loss"]), float(row["grad_norm"])] for row in rows]


if __name__ == "__main__":
    serve({"prepare": prepare, "fill": fill, "read": read})
