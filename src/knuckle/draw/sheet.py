"""Contact sheets."""

from collections.abc import Sequence

from knuckle.draw.colors import Image
from knuckle.draw.images import checked
from knuckle.draw.text import blank, write_line
from knuckle.errors import SettingsError


def contact_sheet(images: Sequence[Image], columns: int, titles: Sequence[str] | None = None, gap: int = 8) -> Image:
    """Pictures (h, w, 3) of any sizes → one sheet, row by row, each in the middle of a cell of the largest size.

    titles: one line above each picture. Raises `SettingsError` if there is no picture or column, or titles do not
    match the pictures.
    """
    images = [checked(image) for image in images]
    if not images or columns < 1:
        raise SettingsError(f"a contact sheet needs pictures and columns, got {len(images)} and {columns}")
    if titles is not None and len(titles) != len(images):
        raise SettingsError(f"a contact sheet needs one title a picture, got {len(titles)} for {len(images)}")
    height, width = (max(image.shape[axis] for image in images) for axis in (0, 1))
    head = 0 if titles is None else 22  # px
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = blank(rows * (height + head + gap) + gap, columns * (width + gap) + gap)
    for index, image in enumerate(images):
        top = gap + (index // columns) * (height + head + gap)
        left = gap + (index % columns) * (width + gap)
        if titles is not None:
            write_line(sheet[top : top + head, left : left + width], titles[index], 0, head)
        row, column = top + head + (height - image.shape[0]) // 2, left + (width - image.shape[1]) // 2
        sheet[row : row + image.shape[0], column : column + image.shape[1]] = image
    return sheet
