"""Every claim of the paper with our number beside it, from exploratory records; ``families`` decides DESIGN.md's.

Source: Wang et al., CVPR 2020. Table 1's steps are judged by bilinear logits and, as released, by label maps, because
part of a gain may be finer labels alone. Pictures, hosts and lengths are ours, so that verdicts may differ there.
"""

from collections.abc import Iterable, Iterator

import pandas as pd

from dsrl_lab.models import POSE, SEGMENTATION
from dsrl_lab.results import claims_of_cost as of_cost
from dsrl_lab.results import paper_numbers as paper
from dsrl_lab.results.families import FAMILIES
from dsrl_lab.results.findings import POINTS, Finding, files_of, judge_gain, judge_together, of_seeds, smallest
from dsrl_lab.results.frames import gains, pick, scores, setting_title, spelled
from dsrl_lab.results.paper_numbers import Number, table_1_gain
from dsrl_lab.rows import ROWS, Row

PROTOCOLS = {"logits": of_cost.BILINEAR, "labels": "label maps enlarged by nearest neighbour, as released"}
STEPS = {
    ("sssr", "baseline"): "Table 1: + SSSR",
    ("sisr", "sssr"): "Table 1: + SISR",
    ("dsrl", "sisr"): "Table 1: + FA",
    ("dsrl", "sssr"): "Table 1: + SISR + FA",
    ("sisr", "baseline"): "Table 1: + SSSR + SISR",
    ("dsrl", "baseline"): "Table 1: whole DSRL",
}
SUPER_RESOLUTION = (("super_resolution.psnr", "PSNR", "dB"), ("super_resolution.ssim", "SSIM", ""))
# Seeds 0 to 2 on val suggested this row; only seeds that were stated and run afterwards test it (data/runs/DESIGN.md).
FRESH_SEEDS = {("camvid_espnetv2_90x120", "paper"): (3, 4, 5)}


def findings(runs: pd.DataFrame) -> list[Finding]:
    """Judge every claim of the paper by finished runs; a claim that no run speaks to is there too, not tested.

    Gains of the confirmatory families are left out: their design says what decides. Costs and PSNR are of all runs.
    """
    finished = runs[runs["finished"] & ~runs["held_out"].eq(True)]
    fresh = [seed in FRESH_SEEDS.get((s, r), (seed,)) for s, r, seed in finished[["setting", "row", "seed"]].values]
    ours = finished[finished["host"].isin(SEGMENTATION) & pd.Series(fresh, finished.index, dtype=bool)]
    claims = {claim: _numbers(*step) for step, claim in STEPS.items()}
    claims |= {claim.name: {"": claim.number} for claim in (of_cost.SAME_COST, of_cost.CHEAPER)}
    claims[of_cost.SHRINKING] = of_cost.shrinking_numbers()
    open_to_all = ours[~ours["setting"].isin([family.setting for family in FAMILIES.values()])]
    families = [table_1(open_to_all, (protocol,)) for protocol in PROTOCOLS]
    families += [judge(open_to_all) for judge in (of_cost.same_cost, of_cost.cheaper, of_cost.shrinking)]
    judged: list[Finding] = []
    for claim, numbers in claims.items():
        none = Finding(claim=claim, paper=numbers, reason="no finished runs of the rows that it compares")
        of_claim = [[finding for finding in family if finding.claim == claim] for family in families]
        judged += [finding for family in of_claim for finding in judge_together(family)] or [none]
    return [*judged, *of_cost.no_extra_cost(ours), *_pose(finished), *_super_resolution(ours)]


def table_1(runs: pd.DataFrame, protocols: Iterable[str] = tuple(PROTOCOLS)) -> list[Finding]:
    """The steps of Table 1 in our rows, setting by setting, each judged by itself."""
    table, found = scores(runs), []
    table = table[(table["metric"] == "miou") & (table["drive"] == "")]
    for setting, of_setting in runs.groupby("setting"):
        here, host = table[table["setting"] == setting], spelled(of_setting["host"].iloc[0])
        for row, over in _pairs(set(here["row"])):
            theirs = str(row.paper_row), str(_place(over))
            numbers = _numbers(*theirs, (host,) if host in paper.HOSTS else paper.HOSTS)
            pair = gains(here[here["row"].isin((row.name, over.name))], over.name)
            for protocol in protocols:
                for split, lines in pick(pair, f"{protocol}.miou", split=None).groupby("split"):
                    finding = Finding(
                        claim=STEPS[theirs],
                        paper=numbers,
                        where=f"{setting_title(of_setting)}; {lines['label'].iloc[0]}, over {over.title}",
                        protocol=f"{PROTOCOLS[protocol]}, {split}",
                        unit=POINTS,
                        **of_seeds(lines, of_setting, row.name, over.name),
                    )
                    found.append(judge_gain(finding, smallest(numbers)))
    return found


def _pairs(there: set[str]) -> Iterator[tuple[Row, Row]]:
    """Rows of ours whose difference stands for a step of Table 1; the control of FA stands for none."""
    for row in ROWS.values():
        for other in dict.fromkeys([*row.adds, "baseline"]):
            if row.name in there and other in there and (row.paper_row, _place(ROWS[other])) in STEPS:
                yield row, ROWS[other]


def _place(row: Row) -> str | None:
    return row.paper_row or (None if row.network.get("sisr") else "baseline")


def _numbers(row: str, before: str, hosts: Iterable[str] = paper.HOSTS) -> dict[str, Number]:
    return {host: table_1_gain(row, host, before) for host in hosts}


def _pose(runs: pd.DataFrame) -> Iterator[Finding]:
    """The pose claims are about mAP on COCO; a record of ours can speak to them only if it has that score."""
    poses = runs[runs["host"].isin(POSE)]
    reason = "no record of a pose network scored by mAP on COCO"
    if len(poses):
        reason += f"; {len(poses)} runs on {', '.join(sorted(set(poses['dataset'])))} are no test of it"
    for claim in paper.CLAIMS[2:4]:
        yield Finding(claim=claim.name, paper={"": claim.number}, reason=reason, records=files_of(poses))


def pose_gain(runs: pd.DataFrame) -> list[Finding]:
    """The abstract's gain on pose beside ours in PCK: another score on other people, which is no test of it."""
    lines = pick(gains(scores(runs[runs["row"].isin(("baseline", "dsrl"))])), "keypoints.pck")
    if lines.empty:
        return []
    claim, reason = paper.CLAIMS[2], "another score, on other people"
    found = of_seeds(lines, runs, "dsrl", "baseline") | {"protocol": "PCK@0.2, against mAP on COCO", "reason": reason}
    return [Finding(claim=claim.name, paper={"": claim.number}, unit="points of PCK", **found)]


def _super_resolution(runs: pd.DataFrame) -> Iterator[Finding]:
    table = scores(runs)
    for claim, (score, name, unit) in zip(paper.CLAIMS[4:], SUPER_RESOLUTION, strict=True):
        reason = f"{name} of other pictures than the paper's: shown beside it, not compared"
        reason += f" ({claim.number.note})" if claim.number.note else ""
        lines = pick(table[table["row"].isin(of_cost.WHOLE)], score)
        for (setting, row), group in lines.groupby(["setting", "row"], observed=True):
            of_setting = runs[runs["setting"] == setting]
            yield Finding(
                claim=claim.name,
                paper={"": claim.number},
                where=f"{setting_title(of_setting)}; {group['label'].iloc[0]}",
                protocol="mean over the validation pictures, RGB",
                unit=unit,
                reason=reason,
                **of_seeds(group, of_setting, str(row), scale=1),
            )
        if lines.empty:
            yield Finding(claim=claim.name, paper={"": claim.number}, reason="no finished run of DSRL")
