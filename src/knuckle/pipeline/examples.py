"""Some test frames with everything that a run says of them: what the figures of a report show."""

import numpy as np
from torch import nn

from knuckle.files import naming
from knuckle.pipeline import methods, weak
from knuckle.pipeline.data import RunData
from knuckle.pipeline.labels import Labeller
from knuckle.pipeline.run import EXAMPLES, Run
from knuckle.restoration.restore import RestoreSettings, restore
from knuckle.segmentation.train import predict_parts

SHOWN = 24
"""As many frames as [N] Figure 9 shows."""


def keep_examples(run: Run, segmenter: nn.Module, data: RunData) -> None:
    """Writes `examples.npz`: evenly spread test frames, and of each the maps and joints of every row.

    depth, truth (part maps, empty where nobody knows them), predicted (by f_s), restored (from that, where the run has
    a dictionary), joints (mm), center, cube_mm; `parts of ROW` for the rows of step 2, `joints of ROW` (mm) for those
    of step 3.
    """
    assert data.test is not None
    assert data.train is not None
    test = data.test
    hands = np.flatnonzero(test.has_hand)
    some = hands[np.linspace(0, len(hands) - 1, min(SHOWN, len(hands))).astype(int)]
    kept = {
        "depth": test.depth[some],
        "truth": test.parts[some],
        "predicted": predict_parts(segmenter, test.depth[some]),
        "joints": test.joints_mm()[some],
        "center": test.center[some],
        "cube_mm": test.cube_mm[some],
    }
    rows = run.recipe.supervision.rows if run.recipe.supervision else {}
    paper = [row for row in rows.values() if row.labels == "dictionary" and row.method == "vote"]
    if paper:
        labeller = Labeller(run, segmenter, data.synthetic, data.train, lambda *_: None)
        dictionary = labeller.require_dictionary(paper[0].patch)
        settings = RestoreSettings(window=min(17, paper[0].patch))
        kept["restored"] = np.stack([restore(dictionary, settings, part_map) for part_map in kept["predicted"]])
    for name in rows:
        kept[f"parts of {name}"] = predict_parts(weak.load_tuned(run, name), test.depth[some])
    for name in run.recipe.methods.rows if run.recipe.methods else {}:
        kept[f"joints of {name}"] = np.load(run.folder / methods.STEP / name / "test.npy")[some]
    part = run.folder / "examples.part.npz"
    with naming(run.folder / EXAMPLES):
        np.savez_compressed(part, **kept)
        part.replace(run.folder / EXAMPLES)
