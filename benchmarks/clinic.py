#!/usr/bin/env python
"""How good is the doctor? Trainings that are broken in known ways, and healthy ones that look odd; about ten minutes of CPU time.

    python benchmarks/clinic.py [--half scored|calibration|both] [--only WORD ...] [--seeds 1] [--fast] [--check] [--list] [--json FILE]

The same as `python -m ganlab.clinic`. The last result is in clinic.json, and the page of the clinic shows it:

    python benchmarks/clinic.py --json benchmarks/clinic.json
"""
import os, sys
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from ganlab.clinic import main

if __name__ == '__main__': sys.exit(main())
