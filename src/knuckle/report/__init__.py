"""The tables and figures of [N], made from finished runs: numbers in, one page and its Markdown twin out."""
