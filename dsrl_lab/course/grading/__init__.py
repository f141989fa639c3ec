"""Grading: the teacher's side knows solutions, the student's (``handin``, ``worker``) runs code; plain data passes."""
