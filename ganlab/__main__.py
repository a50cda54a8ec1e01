"`python -m ganlab` is the command `ganlab`."
import sys
from ganlab.cli import main

if __name__ == '__main__': sys.exit(main())
