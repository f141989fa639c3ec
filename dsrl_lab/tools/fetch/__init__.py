"""Fetching data sets and released weights: where they are, how they come whole and verified."""
