"""Writes tables.json: values of the engine's statistics from independent sources.

Needs scipy, statsmodels and mpmath: python3 tables.py > tables.json
The sign process, the anytime t and the fractional trimmed mean have no library; they are computed
here from their definitions with 50 digits, intervals by searching over theta.
"""
import itertools
import json
import random

import mpmath as mp
import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests

mp.mp.dps = 50
draw = random.Random(20260101)


def sign_e(above, below):
    return mp.mpf(2) ** (above + below) * mp.beta(above + 1, below + 1)


def sign_case(z, alpha):
    def e(theta):
        return sign_e(sum(x > theta for x in z), sum(x < theta for x in z))

    values = sorted(set(z))
    between = [(a + b) / 2 for a, b in zip(values, values[1:])]
    inside = [v for v in values if e(v) < 1 / mp.mpf(alpha)]
    for left, middle, right in zip(values, between, values[1:]):
        if e(middle) < 1 / mp.mpf(alpha):
            inside += [left, right]
    free = e(values[0] - 1) < 1 / mp.mpf(alpha)
    looks = []
    for n in range(1, len(z) + 1):
        looks.append(1 / sign_e(sum(x > 0 for x in z[:n]), sum(x < 0 for x in z[:n])))
    return {
        "z": z, "alpha": alpha, "p": float(min(mp.mpf(1), *looks)),
        "ln_e": float(-mp.log(looks[-1])), "estimate": float(np.median(z)),
        "low": None if free else min(inside), "high": None if free else max(inside),
    }


def anytime_case(z, alpha):
    def ln_e(x):
        n, k = len(x), mp.mpf(len(x) + 1)
        mean = mp.fsum(x) / n
        var = mp.fsum((v - mean) ** 2 for v in x) / (n - 1)
        t2, nu = n * mean ** 2 / var, n - 1
        return -mp.log(k) / 2 + mp.mpf(n) / 2 * (mp.log(1 + t2 / nu) - mp.log(1 + t2 / (k * nu)))

    exact = [mp.mpf(v) for v in z]
    p = min([mp.mpf(1)] + [mp.exp(-ln_e(exact[:n])) for n in range(2, len(z) + 1)])
    mean, sd = mp.fsum(exact) / len(z), mp.mpf(float(np.std(z, ddof=1)))
    high = mean + 1000 * sd
    goal = -mp.log(mp.mpf(alpha))
    if ln_e([v - high for v in exact]) < goal:
        return {"z": z, "alpha": alpha, "p": float(p), "low": None, "high": None}
    half = mp.findroot(lambda h: ln_e([v - mean - h for v in exact]) - goal, (mp.mpf(0), 1000 * sd),
                       solver="bisect", maxsteps=400)
    return {"z": z, "alpha": alpha, "p": float(p), "low": float(mean - half),
            "high": float(mean + half)}


def t_case(z, alpha):
    test = stats.ttest_1samp(z, 0.0)
    ci = test.confidence_interval(1 - alpha)
    return {"z": z, "alpha": alpha, "p": test.pvalue, "low": ci.low, "high": ci.high}


def rank_p(z, theta):
    x = [v - theta for v in z]
    ranks = stats.rankdata([abs(v) for v in x])
    seen = sum(r for r, v in zip(ranks, x) if v > 0)
    sums = [sum(r for r, s in zip(ranks, signs) if s)
            for signs in itertools.product((0, 1), repeat=len(z))]
    low = sum(s <= seen + 1e-9 for s in sums) / len(sums)
    high = sum(s >= seen - 1e-9 for s in sums) / len(sums)
    return min(1.0, 2 * min(low, high))


def rank_case(z, alpha):
    walsh = sorted((a + b) / 2 for i, a in enumerate(z) for b in z[i:])
    kept = [(a, b) for a, b in zip(walsh, walsh[1:]) if rank_p(z, (a + b) / 2) > alpha]
    free = rank_p(z, walsh[0] - 1) > alpha
    return {
        "z": z, "alpha": alpha, "p": float(stats.wilcoxon(z, method="exact").pvalue),
        "estimate": float(np.median(walsh)),
        "low": None if free else kept[0][0], "high": None if free else kept[-1][1],
    }


def trim_case(values, trim):
    x, g = sorted(values), mp.mpf(trim) * len(values)
    weights = []
    for i in range(len(x)):
        lower, upper = max(mp.mpf(i), g), min(mp.mpf(i + 1), len(x) - g)
        weights.append(max(mp.mpf(0), upper - lower))
    mean = mp.fsum(w * v for w, v in zip(weights, x)) / mp.fsum(weights)
    whole = mp.floor(g) == g
    if whole:
        assert abs(float(mean) - stats.trim_mean(values, trim)) < 1e-12
    return {"values": values, "trim": trim, "mean": float(mean)}


def normal(n, shift):
    return [round(draw.gauss(shift, 1.0), 6) for _ in range(n)]


series = [normal(n, shift) for n, shift in [(5, 0), (8, 2), (12, 0.8), (20, 0.3), (60, 0.4), (60, 0)]]
ties = [[0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 0.0, 1.0], [0.5] * 9 + [0.25] * 3, [-1.0] * 12]
json.dump({
    "made_with": "xtask/tests/data/tables.py: scipy, statsmodels, mpmath",
    "sign": [sign_case(z, a) for z in series + ties for a in (0.05, 0.01)],
    "anytime_t": [anytime_case(z, a) for z in series for a in (0.05, 0.01)],
    "fixed_t": [t_case(z, a) for z in series for a in (0.05, 0.01)],
    "signed_rank": [rank_case(normal(n, s), 0.05) for n, s in [(5, 1), (7, 1), (9, 0.5), (12, 0)]],
    "clopper_pearson": [
        {"hits": h, "trials": n, "alpha": a,
         "low": float(stats.beta.ppf(a / 2, h, n - h + 1)) if h else 0.0,
         "high": float(stats.beta.ppf(1 - a / 2, h + 1, n - h)) if h < n else 1.0}
        for h, n in [(0, 1), (0, 12), (1, 12), (6, 12), (12, 12), (3, 400)] for a in (0.05, 0.01)],
    "holm": [{"p": p, "adjusted": [float(v) for v in multipletests(p, method="holm")[1]]}
             for p in ([0.01, 0.04, 0.03, 0.005], [0.2, 0.2, 0.001], [0.5], [0.04] * 3 + [1e-6])],
    "trimmed_mean": [trim_case(normal(n, 1), t)
                     for n in (1, 2, 3, 7, 10, 30) for t in (0.0, 0.1, 0.2, 0.25)],
}, __import__("sys").stdout, indent=1)
print()
