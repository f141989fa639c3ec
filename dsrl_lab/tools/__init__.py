"""Tools around a trained network: benchmarks, export, prediction, submission."""
