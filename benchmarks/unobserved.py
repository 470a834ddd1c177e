"""`takt` without anything that watches pictures: no metrics, no request log, no traces.

Only a benchmark has a use for it: the service itself offers no way to be blind.

    python -m benchmarks.unobserved serve --repository DIR
"""

from __future__ import annotations

from service.cli import main
from service.observing.instruments.model_metrics import BatchMetrics
from service.observing.journal import Journal


def _nothing(*_: object) -> None:
    """Takes no note."""


if __name__ == "__main__":
    for kind, names in ((Journal, ("answered", "failed")), (BatchMetrics, ("on_batch",))):
        for name in names:
            setattr(kind, name, _nothing)
    main()
