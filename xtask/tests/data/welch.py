"""Writes welch.json: Welch's two-sided t test from scipy, checked with 50 digits by mpmath.

Needs scipy and mpmath: python3 welch.py > welch.json
"""
import json
import random

import mpmath as mp
from scipy.stats import ttest_ind

mp.mp.dps = 50
draw = random.Random(17)


def exact(first, second):
    def summary(sample):
        values = [mp.mpf(value) for value in sample]
        mean = mp.fsum(values) / len(values)
        squares = mp.fsum((value - mean) ** 2 for value in values)
        return mean, squares / (len(values) - 1) / len(values), len(values) - 1

    (a, u, n), (b, v, m) = summary(first), summary(second)
    t = (b - a) / mp.sqrt(u + v)
    freedom = (u + v) ** 2 / (u * u / n + v * v / m)
    p = mp.betainc(freedom / 2, mp.mpf(1) / 2, 0, freedom / (freedom + t * t), regularized=True)
    return float(t), float(freedom), float(p)


def case(first, second):
    t, freedom, p = exact(first, second)
    theirs = ttest_ind(second, first, equal_var=False)
    assert abs(float(theirs.pvalue) - p) < 1e-10, (first, second, p, theirs)
    assert abs(float(theirs.statistic) - t) < 1e-9 * max(1, abs(t))
    assert abs(float(theirs.df) - freedom) < 1e-9 * freedom
    return {"first": first, "second": second, "t": t, "freedom": freedom, "p": p}


def sample(size, mean, spread):
    return [round(mean + spread * draw.gauss(0, 1), 6) for _ in range(size)]


CASES = [([1, 2], [1, 3]), ([1, 2, 3], [1, 2, 3]), ([0, 1], [100, 101]), ([5, 5, 5], [5, 6, 7])]
for size, other in [(2, 2), (2, 30), (10, 10), (10, 11), (50, 40)]:
    for shift in [0, 0.01, 0.05, 1]:
        CASES.append((sample(size, 1, 0.02), sample(other, 1 + shift, draw.choice([0.002, 0.02, 0.4]))))
rows = ",\n".join(" " + json.dumps(case(*samples)) for samples in CASES)
print(f"[\n{rows}\n]")
