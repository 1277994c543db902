"""Solvers: a result file that is there already, a tiny detector that learns from the task, and known detectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.core.solver import Desk, Problem, Solver
from guerdon.core.task import Answer, Task
from guerdon.systems.v3det.files import found_name, read_image
from guerdon.systems.v3det.scenes import Pixels, pixels_of
from guerdon.systems.v3det.tiny import Example, Learned, learn


class Detector(Solver):
    """A solver that hands in one list of detections for each task."""

    def detect(self, task: Task) -> Json:
        """The result list, or the text of a result file."""
        raise SolverError("a detector has a detect method", f"{type(self).__name__} has none", "Write detect(task)")

    def solve(self, problem: Problem, desk: Desk) -> None:
        """One answer for each task."""
        for task in problem.tasks:
            desk.score([Answer(task.id, self.detect(task))])


@dataclass(frozen=True, kw_only=True)
class ResultFile(Detector):
    """Hand in a result file that some detector has written."""

    file: str = "results.json"
    """The file: a COCO result list."""

    name: ClassVar[str] = "result-file"

    def detect(self, task: Task) -> Json:
        """What is in the file."""
        try:
            return Path(self.file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("a result file", f"{Path(self.file).name}: {error}"[:200], "Set --file") from None


@dataclass(frozen=True, kw_only=True)
class TinyDetector(Detector):
    """Learn from the task's own pictures: what stands out from the ground is an object, a linear map says which.

    With `names` its classifier regresses into the space of words of the names and knows novel categories by these;
    with `closed` every category is a direction of its own. An empty detector is the floor that both are above.
    """

    classifier: Literal["names", "closed", "empty"] = "names"
    """What knows the categories."""
    alpha: float = 0.03
    """Strength of the ridge."""
    each: int = 5
    """Categories that are handed in for each region."""

    name: ClassVar[str] = "tiny-detector"

    def detect(self, task: Task) -> Json:
        """Detections of all images, the surest first in each."""
        if self.classifier == "empty":
            return []
        learned = self._learned(task)
        found: list[Json] = []
        for each, pixels in images_of(task):
            entries = learned.detect(pixels, self.each)
            found += [{"image_id": each["id"], **entry} for entry in entries[: int(str(task.data["most"]))]]
        return found

    def _learned(self, task: Task) -> Learned:
        told: Any = task.data
        kinds = told["categories"]
        place = {each["id"]: k for k, each in enumerate(kinds)}
        if "train" not in told:
            raise ConfigError("generated scenes to learn from", "the task names files", "Train a detector on these")
        pictures = {each["id"]: pixels_of(each["png"]) for each in told["train"]["images"]}
        examples = [
            Example(pictures[each["image_id"]], tuple(each["bbox"]), place[each["category_id"]])
            for each in told["train"]["annotations"]
        ]
        names = [each["name"] for each in kinds]
        return learn(
            examples, names, [each["id"] for each in kinds], alpha=self.alpha, words=self.classifier == "names"
        )


def images_of(task: Task) -> Iterator[tuple[Mapping[str, Any], Pixels]]:
    """What a task says of each image, and its pixels; from the task itself, or from files under its root."""
    told: Any = task.data
    for each in told["images"]:
        if "png" in each:
            yield each, pixels_of(each["png"])
        else:
            root = Path(told["root"])
            yield each, read_image(root, found_name(root, each["file_name"]))


@dataclass(frozen=True, kw_only=True)
class Pretrained(Detector):
    """A detector of transformers; see `runners`."""

    model: str = ""
    """Folder or hub id."""
    device: str = "cpu"
    """Where it runs."""
    batch: int = 8
    """Images at once."""
    least: float = 1e-4
    """Score below which nothing is handed in (source: 1e-4)."""

    def detect(self, task: Task) -> Json:
        """Run it over the task's images."""
        from guerdon.systems.v3det import runners

        if not self.model:
            raise ConfigError("a model", "none is named", "Set --model to a folder or a hub id")
        told: Any = task.data
        detector = self.opened([each["name"] for each in told["categories"]])
        ids = [each["id"] for each in told["categories"]]
        rows = runners.detections(detector, images_of(task), batch=self.batch, least=self.least, most=told["most"])
        return [{**row, "category_id": ids[row["category_id"]]} for row in rows]

    def opened(self, names: list[str]) -> Any:
        """The detector, for categories of these names."""
        raise SolverError("a pretrained detector", f"{type(self).__name__} names none", "Write opened(names)")


@dataclass(frozen=True, kw_only=True)
class Detr(Pretrained):
    """A detector of the DETR family whose classes are the categories, in their order or by name."""

    name: ClassVar[str] = "detr"

    def opened(self, names: list[str]) -> Any:
        """Of `AutoModelForObjectDetection`."""
        from guerdon.systems.v3det import runners

        return runners.DetrDetector.of(self.model, names, device=self.device)


@dataclass(frozen=True, kw_only=True)
class OwlViT(Pretrained):
    """OWL-ViT or OWLv2 asked for the name of each category; images are read once, however many names there are."""

    prompt: str = "a {}"
    """What is asked for (source: the OVD baseline's "a {name}")."""

    name: ClassVar[str] = "owl-vit"

    def opened(self, names: list[str]) -> Any:
        """Of `AutoModelForZeroShotObjectDetection`."""
        from guerdon.systems.v3det import runners

        return runners.OwlDetector.of(self.model, [self.prompt.format(each) for each in names], device=self.device)


@dataclass(frozen=True, kw_only=True)
class GroundingDino(Pretrained):
    """Grounding DINO asked for the name of each category, some fifty in a look at an image."""

    name: ClassVar[str] = "grounding-dino"

    def opened(self, names: list[str]) -> Any:
        """Of `AutoModelForZeroShotObjectDetection`."""
        from guerdon.systems.v3det.grounding import GroundingDetector

        return GroundingDetector.of(self.model, names, device=self.device)
