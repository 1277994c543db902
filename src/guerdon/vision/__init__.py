"""Vision: detections and how good they are."""
