"""A report as one HTML page that needs nothing else: no script, no network, light and dark."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from knuckle.report.blocks import Block, Figure, Section, Table

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fefefe; --line: #d4d4d4; --quiet: #666; --shade: #f4f4f1 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --paper: #15171a; --line: #3a3d42; --quiet: #a0a0a0; --shade: #1e2125 }
}
body { margin: 2rem auto; max-width: 84rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.7rem } h2 { margin-top: 3rem; border-bottom: 2px solid var(--line) } h3 { margin: 2.5rem 0 .5rem }
p { max-width: 48rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .875rem; line-height: 1.35; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .6rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line) }
thead th { vertical-align: bottom; border-bottom: 2px solid var(--line) }
td { white-space: nowrap } th.words, td.words { text-align: left } td.words, td.paper { white-space: normal }
td.words + td.words { min-width: 15rem } td.paper { min-width: 7rem }
th.dev, td.dev { font-size: .8em; color: var(--quiet) }
th.paper, td.paper { background: var(--shade); color: var(--quiet); border-left: 3px double var(--line) }
figure { margin: 0 } img { max-width: 100%; height: auto; display: block }
figcaption, .caption { max-width: 60rem; margin: .5rem 0 0; color: var(--quiet); font-size: .875rem }
"""


def page(title: str, sections: Sequence[Section], images: Mapping[str, bytes]) -> str:
    """The text of the page. images: the bytes of every figure's file, by the file's name."""
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>',
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>",
    ]
    for section in sections:
        parts.append(f"<h2>{escape(section.title)}</h2>" if section.title else "")
        parts += [_block(block, images) for block in section.blocks]
    return "\n".join([*parts, "</body>\n</html>\n"])


def _block(block: Block, images: Mapping[str, bytes]) -> str:
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Figure):
        return _figure(block, images[block.file])
    return f"<p>{escape(block)}</p>"


def _table(table: Table) -> str:
    kinds = [column.kind for column in table.columns]
    titles = (column.title for column in table.columns)
    head = "".join(
        f'<th class="{kind}" scope="col">{escape(text)}</th>' for kind, text in zip(kinds, titles, strict=True)
    )
    rows = [
        "".join(f'<td class="{kind}">{escape(text)}</td>' for kind, text in zip(kinds, row, strict=True))
        for row in table.rows
    ]
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<h3>{escape(table.title)}</h3>\n<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f'<tbody>\n{body}\n</tbody>\n</table></div>\n<p class="caption">{escape(table.caption)}</p>'
    )


def _figure(figure: Figure, image: bytes) -> str:
    kind = "image/svg+xml" if figure.is_chart else "image/png"
    data = base64.b64encode(image).decode("ascii")
    return (
        f"<h3>{escape(figure.title)}</h3>\n"
        f'<figure><img alt="{escape(figure.title)}" src="data:{kind};base64,{data}"/>\n'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )
