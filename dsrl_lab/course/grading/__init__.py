"""Notebooks handed out, checked before hand-in, and graded in a sandbox; between the two sides passes plain data.

The teacher's side knows solutions and hidden inputs, the student's (``handin``, ``worker``) runs the student's code.
"""
