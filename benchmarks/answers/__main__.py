"""Record what a server answers, and compare two records.

python -m benchmarks.answers bundles --takt OLD/bin/takt --data DATA --out MODELS
python -m benchmarks.answers record --takt OLD/bin/takt --repository MODELS --data DATA --out A
python -m benchmarks.answers record --takt NEW/bin/takt --repository MODELS --data DATA --out B
python -m benchmarks.answers compare A B
"""

from benchmarks.answers.commands import main

if __name__ == "__main__":
    main()
