"""A report as Markdown, its figures files beside it."""

import re
from collections.abc import Sequence

from knuckle.report.blocks import Block, Figure, Section, Table


def document(title: str, sections: Sequence[Section]) -> str:
    """The text of the document."""
    parts = [f"# {plain(title)}"]
    for section in sections:
        parts += [f"## {plain(section.title)}"] if section.title else []
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text in one line, with everything escaped that Markdown or HTML would read as its own."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", " ".join(text.split()))


def _block(block: Block) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return f"### {plain(block.title)}\n\n![{plain(block.title)}]({block.file})\n\n{plain(block.caption)}"
    return plain(block)


def _table(table: Table) -> str:
    rows = [
        [plain(column.title) for column in table.columns],
        [":--" if column.kind == "words" else "--:" for column in table.columns],
        *([plain(text) for text in row] for row in table.rows),
    ]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"### {plain(table.title)}\n\n{lines}\n\n{plain(table.caption)}"
