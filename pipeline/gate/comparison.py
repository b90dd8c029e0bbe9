"""What lies between a challenger and the champion, as one value: the gate judges it."""

from pydantic import Field

from pipeline.base.names import Metric
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.metrics import GroupDifference


class Comparison(Record):
    """Challenger minus champion in the same folds.

    ``problem`` says why the champion could not be evaluated, and the differences are then empty.
    ``identical`` says that both are the same model, byte for byte; ``other_libraries`` that they
    are one recipe, fitted to the same data by other libraries; ``same_data`` that both were fitted
    to the same data. ``silence`` says why the champion gives no answers any more.
    """

    champion: str
    problem: str = ""
    identical: bool = False
    other_libraries: bool = False
    silence: str = ""
    same_data: bool = True
    differences: dict[Metric, Estimate] = Field(default_factory=dict)
    slices: tuple[GroupDifference, ...] = ()
    external: tuple[GroupDifference, ...] = ()

    @property
    def must_be_better(self) -> bool:
        """Say whether as good is not enough: it is on other data, and for a silent champion."""
        return self.same_data and not self.silence
