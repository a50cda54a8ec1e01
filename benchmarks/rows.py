"""Rows of a benchmark in a JSON file: written one by one, so that a stop loses nothing, and not done twice."""
import json, math, os, sys
from pathlib import Path
import numpy as np
from scipy.stats import t as student

def command(**options):
    "What was typed, without the folder; `options` are those that a row needs to be made again"
    said = ' '.join(f'--{k.replace("_", "-")} {v}' for k, v in options.items() if v is not None)
    return f'python benchmarks/{Path(sys.argv[0]).name} {said}'.strip()

def cleaned(v):
    "NaN is not JSON"
    if isinstance(v, dict): return {k: cleaned(o) for k, o in v.items()}
    if isinstance(v, (list, tuple)): return [cleaned(o) for o in v]
    return None if isinstance(v, float) and not math.isfinite(v) else v

class Rows(list):
    "Dicts, in a file as they come; `keys` tell one from another"
    def __init__(self, path, keys):
        self.path, self.keys = path and Path(path), keys
        super().__init__(json.loads(self.path.read_text(encoding='utf-8')) if self.path and self.path.exists() else [])

    def has(self, **row): return any(all(r[k] == row[k] for k in self.keys) for r in self)

    def add(self, **row):
        "Another row; what stands in the file by then, written by another process, stays"
        if self.path and self.path.exists(): self[:] = json.loads(self.path.read_text(encoding='utf-8'))
        self.append(cleaned(row))
        if not self.path: return
        new = self.path.with_name(f'.{self.path.name}.{os.getpid()}')
        new.write_text('[\n' + ',\n'.join(json.dumps(r, ensure_ascii=False) for r in self) + '\n]\n', encoding='utf-8')
        os.replace(new, self.path)

def mean_interval(values):
    "(mean, half of its 95 % interval by Student's t); the half is nan for fewer than three values"
    v = np.array([o for o in values if o is not None], float)
    if not len(v): return math.nan, math.nan
    half = student.isf(.025, len(v) - 1)*v.std(ddof=1)/math.sqrt(len(v)) if len(v) > 2 else math.nan
    return float(v.mean()), float(half)

def plus_minus(values, digits=2):
    "The mean and its interval, in words of a table"
    mean, half = mean_interval(values)
    if math.isnan(mean): return '–'
    if math.isnan(half): return f'{mean:.{digits}f}'
    return f'{mean:.{digits}f} ± {half:.{digits}f}'
