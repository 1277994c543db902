"""V3Det Challenge 2024: detect objects of 13,204 categories in a tree, and of 6,495 that were never labelled."""

from guerdon.core.card import Card

_HERE = "guerdon.systems.v3det"

CARD = Card(
    slug="v3det",
    title="V3Det Challenge 2024: vast vocabulary and open vocabulary object detection",
    year=2024,
    claim="With 13,204 categories in a tree a detector is judged by COCO's average precision with kinds of a label's "
    "category ignored, and for categories without training labels by (AP base + 3 AP novel) / 4.",
    differs="Two tracks over one result file; the judge ignores detections of a kind of what the label says.\n"
    "The engine never walks categories × images, so that a thousand resamples of the images are affordable: every\n"
    "figure has an interval, and two submissions are compared on the same resampled images.\n"
    "Baselines: a cosine classifier with repeat-factor sampling (supervised), text vectors as classifier weights\n"
    "(open vocabulary), runners for transformers and torchvision detectors.\n"
    "Matching, precision, trees, files and submissions are in `vision`.",
    sources=(
        "arXiv 2406.11739",
        "arXiv 2304.03752",
        "https://github.com/V3Det/V3Det",
        "https://github.com/V3Det/mmdetection-V3Det",
        "https://github.com/V3Det/Detectron2-V3Det",
        "arXiv 2201.02605",
    ),
    challenge=f"{_HERE}.challenge:V3Det",
    solvers=(
        ("result-file", f"{_HERE}.solvers:ResultFile"),
        ("tiny-detector", f"{_HERE}.solvers:TinyDetector"),
        ("detr", f"{_HERE}.solvers:Detr"),
        ("owl-vit", f"{_HERE}.solvers:OwlViT"),
        ("grounding-dino", f"{_HERE}.solvers:GroundingDino"),
    ),
)
