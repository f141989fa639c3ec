"""Records as data: frames of them, what they can say, the paper beside them, and every figure and table of the kit.

Any interval over seeds of docs/RESULTS.md in five lines::

    from dsrl_lab import results

    runs = results.runs("data/runs")
    gains = results.gains(results.scores(runs))
    of_camvid = results.pick(gains, "logits.miou", split="test").query("setting == 'camvid_drives'")
    results.summary(of_camvid, ["row"], scale=100)  # or seaborn.pointplot(..., errorbar=results.t_interval)
"""

from dsrl_lab.results.frames import curves, gains, pick, pictures, runs, scores, steps, summary
from dsrl_lab.results.inference import t_interval

__all__ = ["curves", "gains", "pick", "pictures", "runs", "scores", "steps", "summary", "t_interval"]
