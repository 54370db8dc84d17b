"""What a server counts, as Prometheus reads it, and right with several workers.

With more than one worker each counts in a file of its own, in the folder PROMETHEUS_MULTIPROC_DIR, and the client
library adds them up; it looks for that variable when it is imported, so `serve` sets it before the workers begin.
What a window of feedback shows is not counted but asked of the store at each scrape, so all workers say the same.
"""

import os
from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from mlcourse.serving.watching import Watch

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Meters:
    """The counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = {"registry": self.registry}
        self.requests = Counter("mlcourse_requests", "Requests answered.", ["path", "status"], **own)
        self.seconds = Histogram(
            "mlcourse_request_seconds",
            "Seconds from the whole body to the answer.",
            ["path"],
            buckets=SECONDS,
            **own,
        )
        sizes = (1, 2, 4, 8, 16, 32, 64)
        self.batches = Histogram("mlcourse_batch_size", "Support sets adapted together.", buckets=sizes, **own)
        self.adapting = Counter("mlcourse_adapting_seconds", "Seconds spent adapting.", **own)
        self.predictions = Counter("mlcourse_predictions", "Predictions.", ["model", "given"], **own)

    def batch(self, size: int, seconds: float) -> None:
        """Count a batch."""
        self.batches.observe(size)
        self.adapting.inc(seconds)

    def text(self, watched: Iterable[tuple[str, Watch, dict[str, Any]]]) -> bytes:
        """All that is counted, in all workers, and the five measures of each watched model version."""
        registry = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        measures = CollectorRegistry()
        measures.register(_Measures(watched))
        return generate_latest(registry) + generate_latest(measures)


class _Measures:
    """Gauges of the five measures: what feedback shows now, beside what the record says of meta-test."""

    ABOUT = {
        "few_shot_accuracy": "Share right over the window of feedback.",
        "few_shot_accuracy_half_width": "Half of its 95 % interval.",
        "few_shot_accuracy_at_meta_test": "The same on meta-test tasks.",
        "few_shot_accuracy_lowest": "Below this the window has left the range of meta-test.",
        "few_shot_alarm": "1 where it has.",
        "feedback_tasks": "Adapters in the window.",
        "inner_steps": "Adaptation speed: gradient steps on a support set; 0 where nothing descends.",
        "task_generalisation_gap": "Score on meta-train tasks minus that on meta-test tasks.",
        "labels_saved": "Labels that a rival without meta-learning needs more, or more than these.",
        "seconds_to_deploy": "Seconds from a support set to the first prediction, as registered.",
    }

    def __init__(self, watched: Iterable[tuple[str, Watch, dict[str, Any]]]) -> None:
        self.watched = list(watched)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One family for each measure, one sample for each model version of which it is known."""
        for name, about in self.ABOUT.items():
            family = GaugeMetricFamily(f"mlcourse_{name}", about, labels=["model"])
            for model, watch, judged in self.watched:
                value = self._value(name, watch, judged)
                if value is not None:
                    family.add_metric([model], float(value))
            yield family

    def _value(self, name: str, watch: Watch, judged: dict[str, Any]) -> float | None:
        live = {
            "few_shot_accuracy": watch.accuracy,
            "few_shot_accuracy_half_width": watch.half_width,
            "few_shot_accuracy_at_meta_test": watch.expected,
            "few_shot_accuracy_lowest": watch.lowest,
            "few_shot_alarm": watch.alarm,
            "feedback_tasks": watch.tasks,
            "task_generalisation_gap": judged["gap"],
            "labels_saved": (judged["labels_saved"] or {}).get("labels"),
        }
        return live[name] if name in live else judged[name]
