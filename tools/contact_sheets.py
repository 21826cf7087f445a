"""Draws the contact sheets of docs/sheets.md: the first samples of a few settings, depth with joints beside parts.

python tools/contact_sheets.py
"""

import tempfile
from pathlib import Path

from knuckle.draw import write_image
from knuckle.synth.generate import SynthSettings
from knuckle.synth.production import generate
from knuckle.synth.sheet import sample_sheet

DOCS = Path(__file__).resolve().parents[1] / "docs"
SHEETS = {
    "makehuman-clean": SynthSettings(sensor="clean", clutter=False, coarse_share=0, empty_share=0),
    "soma-left-clean": SynthSettings(
        hand="soma", sensor="clean", clutter=False, coarse_share=0, empty_share=0, side="left"
    ),
    "makehuman-mixed": SynthSettings(),
    "soma-structured-light": SynthSettings(hand="soma", sensor="structured-light", coarse_share=0, empty_share=0),
}
COUNT, SEED = 48, 5


def main() -> None:
    """Writes docs/sheet-*.png."""
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in SHEETS.items():
            store = Path(folder) / f"{name}.zarr"
            generate(store, settings, COUNT, SEED, workers=1)
            write_image(DOCS / f"sheet-{name}.png", sample_sheet(store))


if __name__ == "__main__":
    main()
