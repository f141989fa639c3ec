"""Exercises that explain what is wrong with an answer, and predictions that are kept until the result is there."""

from dsrl_lab.course.exercises.bank import check, hint, solution, stub
from dsrl_lab.course.exercises.predictions import predict, reveal

__all__ = ["check", "hint", "predict", "reveal", "solution", "stub"]
