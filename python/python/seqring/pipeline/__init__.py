"""Pipelines: a commander issues messages, producers make an item of each, a consumer iterates over
the items.

See `Pipeline`.
"""

from seqring.pipeline._pipeline import PipelineStats, Pipeline, ProducerStats
from seqring.pipeline._roles import Commander, Out, Producer
from seqring.pipeline.errors import (
    ArrayMismatch,
    BuildFailed,
    CommanderFailed,
    ItemFailed,
    ItemTimedOut,
    PipelineError,
    Stuck,
    WorkerDied,
)

__all__ = [
    "ArrayMismatch",
    "BuildFailed",
    "Commander",
    "CommanderFailed",
    "PipelineStats",
    "ItemFailed",
    "ItemTimedOut",
    "Out",
    "Pipeline",
    "PipelineError",
    "Producer",
    "ProducerStats",
    "Stuck",
    "WorkerDied",
]
