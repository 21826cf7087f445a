"""Stores of samples, and the datasets that fill them."""
