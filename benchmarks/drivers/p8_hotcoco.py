"""hotcoco: evaluate and accumulate, in Rust."""

from hotcoco import COCO, COCOeval
from p8_rows import coco_operations
from speak import serve


def load(labels, results):
    """Both, indexed."""
    truths = COCO(labels)
    return truths, truths.loadRes(results)


if __name__ == "__main__":
    serve(coco_operations(load, lambda truths, found: COCOeval(truths, found, "bbox")))
