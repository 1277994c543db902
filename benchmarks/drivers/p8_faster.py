"""faster-coco-eval: evaluate and accumulate, in C++."""

from faster_coco_eval import COCO, COCOeval_faster
from p8_rows import coco_operations
from speak import serve


def load(labels, results):
    """Both, indexed."""
    truths = COCO(labels)
    return truths, truths.loadRes(results)


def evaluator(truths, found):
    """Without printing, and without what only pictures need."""
    return COCOeval_faster(truths, found, "bbox", print_function=lambda *_: None)


if __name__ == "__main__":
    serve(coco_operations(load, evaluator))
