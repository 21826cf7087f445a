"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Weights = Annotated[
    Path | None,
    typer.Option(help="Folder with segmentation.onnx and regression.onnx; by default the networks of the package."),
]

SourceCamera = Annotated[
    Path | None, typer.Option(help="Camera file of a folder or stack, instead of its own camera.json.")
]

UnitMm = Annotated[
    float | None,
    typer.Option(
        min=0.001, max=1000, help="Millimetres per step of a folder's or stack's integers; else its camera's, or 1."
    ),
]

Topic = Annotated[str | None, typer.Option(help="Of the depth images in a ROS bag, if it holds several.")]
