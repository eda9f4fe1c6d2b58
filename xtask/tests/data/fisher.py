"""Writes fisher.json: Fisher's two-sided exact p from scipy, checked against exact fractions.

Needs scipy: python3 fisher.py > fisher.json
"""
import json
import random
from fractions import Fraction
from math import comb

from scipy.stats import fisher_exact

draw = random.Random(4)


def exact(k, l, n, m):
    weights = [
        comb(n, x) * comb(m, k + l - x) for x in range(max(0, k + l - m), min(k + l, n) + 1)
    ]
    seen = comb(n, k) * comb(m, l)
    return float(Fraction(sum(w for w in weights if w <= seen), sum(weights)))


def case(k, l, n, m):
    p = float(fisher_exact([[k, n - k], [l, m - l]])[1])
    assert abs(p - exact(k, l, n, m)) < 1e-10, (k, l, n, m, p)
    return {"failed": [k, l], "launches": [n, m], "p": p}


CASES = [
    (0, 0, 8, 8), (8, 0, 8, 8), (13, 0, 13, 13), (1, 0, 13, 13), (3, 1, 4, 4), (5, 5, 9, 11),
    (60, 0, 60, 60), (30, 31, 60, 60), (1, 7, 60, 60), (0, 6, 8, 60), (12, 12, 12, 12),
    (59, 1, 60, 60),
]
for largest, count in [(60, 80), (400, 6)]:
    for _ in range(count):
        n, m = draw.randint(1, largest), draw.randint(1, largest)
        CASES.append((draw.randint(0, n), draw.randint(0, m), n, m))
rows = ",\n".join(" " + json.dumps(case(*numbers)) for numbers in CASES)
print(f"[\n{rows}\n]")
