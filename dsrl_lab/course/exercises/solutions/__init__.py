"""The exercises with their solutions, oracles and wrong answers: the teacher's side, left out of a student's copy."""
