"""Grading: notebooks handed out, checked before hand-in, and graded in a sandbox.

The teacher's side (``release``, ``kit``, ``hidden_inputs``, ``answer_key``, ``course``) knows solutions and hidden
inputs, and never runs a student's code. The student's side (``handin``, ``worker``) runs that code and holds no
solution. Between them pass inputs and results, as plain data (``messages``).
"""
