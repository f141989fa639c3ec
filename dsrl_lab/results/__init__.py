"""Results: records read back, intervals, verdicts, figures and README's tables."""
