"""One training loop for every network, its checkpoints and its settings. Knows no network and no dataset."""
