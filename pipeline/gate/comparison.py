"""What lies between a challenger and the champion, as one value: the gate judges it."""

from pydantic import Field

from pipeline.base.names import Metric
from pipeline.base.records import Estimate, Record
from pipeline.evaluation.groups import GroupDifference


class Comparison(Record):
    """Challenger minus champion in the same folds.

    ``problem`` says why the champion could not be evaluated, and the differences are then empty.
    ``identical`` says that both are the same model, byte for byte; ``same_recipe`` and
    ``same_data`` that they are one recipe, and were fitted to the same rows; ``other_libraries``
    and ``other_threshold`` that they are both, and differ in that. ``silence`` says why the
    champion gives no answers any more.
    """

    champion: str
    problem: str = ""
    identical: bool = False
    other_libraries: bool = False
    other_threshold: bool = False
    silence: str = ""
    same_data: bool = True
    same_recipe: bool = False
    differences: dict[Metric, Estimate] = Field(default_factory=dict)
    slices: tuple[GroupDifference, ...] = ()
    external: tuple[GroupDifference, ...] = ()

    @property
    def decisions(self) -> str:
        """Say in words how the decisions at both thresholds differ."""
        shown: tuple[Metric, ...] = ("sensitivity", "specificity")
        return ", ".join(f"{metric} {self.differences[metric].mean:+.3f}" for metric in shown)

    @property
    def must_be_better(self) -> bool:
        """Say whether as good is not enough.

        It is for the same recipe on other rows, and for a silent champion.
        """
        return not (self.silence or (self.same_recipe and not self.same_data))
