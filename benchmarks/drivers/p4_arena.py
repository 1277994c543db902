"""arena-rank: a data frame to a data set to ratings with sandwich intervals; compiled before it is measured."""

import math

import numpy as np
import pandas as pd
from arena_rank.models.bradley_terry import BradleyTerry
from arena_rank.models.contextual_bradley_terry import ContextualBradleyTerry
from arena_rank.utils.data_utils import ContextualPairDataset, PairDataset
from p4_rows import names, operations
from speak import serve

SCALE = 400 / math.log(10)
WINNER = {1.0: "model_a", 0.5: "tie", 0.0: "model_b"}
CONTEXTUAL = {}


def make(kind, items, first, second, points, features):
    """A data frame as on the public board."""
    known = np.array(names(items), object)
    frame = pd.DataFrame(
        {"model_a": known[first], "model_b": known[second], "winner": [WINNER[one] for one in points.tolist()]}
    )
    columns = []
    if features is not None:
        columns = [f"x{k}" for k in range(features.shape[1])]
        frame[columns] = features
    return items, frame, columns


def fit(given):
    """Ratings and half-widths, in natural units."""
    items, frame, columns = given
    if columns:
        data = ContextualPairDataset.from_pandas(frame, columns, reweighted=False, normalize_features=False)
        # One object for all fits: a new one would be compiled anew.
        model = CONTEXTUAL.setdefault(items, ContextualBradleyTerry(items, len(columns), reg=0.0))
        model.fitted = False
        model.params = {"ratings": np.zeros(items), "coeffs": np.zeros(len(columns))}
    else:
        data = PairDataset.from_pandas(frame)
        model = BradleyTerry(n_competitors=items)
    found = model.compute_ratings_and_cis(data)
    half = (np.asarray(found["rating_upper"]) - np.asarray(found["rating_lower"])) / 2
    return (np.asarray(found["ratings"]) - 1000) / SCALE, half / SCALE


if __name__ == "__main__":
    serve(operations(make, fit))
