"""Writes nested.json: variance components of unbalanced nested data from an independent source.

Needs numpy: python3 nested.py > nested.json
Each mean square is y'Qy with a projection Q; its expectation under V is trace(QV). The components
solve "observed = expected", with projections and traces taken numerically from the design's
incidence matrices; no textbook coefficient is used.
"""
import json
import sys

import numpy as np

draw = np.random.default_rng(20260101)


def projection(incidence):
    return incidence @ np.linalg.pinv(incidence)


def incidence(labels):
    kinds = sorted(set(labels))
    return np.array([[float(label == kind) for kind in kinds] for label in labels])


def case(sizes, sds):
    groups, y, group_of, launch_of = [], [], [], []
    for g, group in enumerate(sizes):
        shift = draw.normal(0, sds[0])
        rows = []
        for l, count in enumerate(group):
            own = draw.normal(0, sds[1])
            values = [round(1 + shift + own + draw.normal(0, sds[2]), 6) for _ in range(count)]
            rows.append(values)
            y += values
            group_of += [g] * count
            launch_of += [(g, l)] * count
        groups.append(rows)
    y = np.array(y)
    n = len(y)
    one, zg, zl = np.ones((n, 1)), incidence(group_of), incidence(launch_of)
    p0, pg, pl = projection(one), projection(zg), projection(zl)
    split = zg.shape[1] > 1 and zl.shape[1] > zg.shape[1]
    squares = [np.eye(n) - pl] + ([pl - pg, pg - p0] if split else [pl - p0])
    parts = [np.eye(n), zl @ zl.T] + ([zg @ zg.T] if split else [])
    expected = np.array([[np.trace(q @ v) for v in parts] for q in squares])
    found = np.linalg.solve(expected, np.array([y @ q @ y for q in squares]))
    return {"groups": groups, "slice": found[0], "launch": found[1],
            "group": found[2] if split else None}


json.dump([
    case([[4, 4], [4, 4], [4, 4]], [2.0, 1.0, 0.5]),
    case([[5, 3, 4], [2, 6], [7], [1, 2, 3, 4]], [1.0, 0.5, 2.0]),
    case([[5], [4], [6], [3]], [1.0, 1.0, 1.0]),
    case([[20, 20, 12], [20, 8], [20, 20, 20, 20]], [0.0, 0.0, 1.0]),
], sys.stdout, indent=1)
print()
