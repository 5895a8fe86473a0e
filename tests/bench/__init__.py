"""Measurements. Times are given as ratios to something measured in the same run."""
