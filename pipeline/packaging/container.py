"""What a container of the service may take: verified here, run by compose, or in a cluster."""

from typing import Final

from pipeline.base.records import Record


class ContainerLimits(Record):
    """The limits of one container.

    The service computes on one core. In an overload of the largest bodies it holds 410 MiB and runs
    six threads; it stops within ten seconds.
    """

    cores: int = 1
    memory_mib: int = 512
    # The files that it may write.
    tmp_mib: int = 64
    processes: int = 100
    stop_seconds: int = 15


LIMITS: Final = ContainerLimits()
