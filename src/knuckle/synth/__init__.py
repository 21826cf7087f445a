"""Synthetic hands: rigged models, pose prior, views, rendering, clutter and sensor noise."""
