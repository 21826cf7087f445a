"""Restoring noisy part maps with a dictionary of synthetic label patches ([N] §3.1, §3.2)."""
