"""The steps of a training run, in order: the one room that sees data, restoration and the networks together."""
