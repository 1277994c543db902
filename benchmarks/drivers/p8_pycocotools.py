"""pycocotools: evaluate and accumulate."""

from p8_rows import coco_operations
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from speak import serve


def load(labels, results):
    """Both, indexed."""
    truths = COCO()
    truths.dataset = labels
    truths.createIndex()
    return truths, truths.loadRes(results)


if __name__ == "__main__":
    serve(coco_operations(load, lambda truths, found: COCOeval(truths, found, "bbox")))
