"""The course: notebooks as they start and are built, exercises and their grading."""
