"""The files of old champions: they name modules of then, and the code of today reads them."""

import mlflow.sklearn
import pytest
import skops.io

from pipeline.base import artifacts, config
from pipeline.base.names import FAMILIES
from pipeline.gate import decision
from pipeline.gate.decision import Outcome
from pipeline.gate.examiner import Examiner, Incumbent
from pipeline.model_packaging import ModelPackager
from pipeline.packaging.package import MLFLOW
from pipeline.training import recipe_changes, trained_model, workspace
from tests.integration.old_champion.make import COMMIT

# Where the blocks were at that commit.
BLOCKS = {
    f"pipeline.core.transformers.{name}" for name in ("Bands", "MissingFlags", "ShareOfPrediction")
}


@pytest.fixture(scope="module")
def champions(old):
    """Return the files of each family's champion, as the registry keeps them."""
    folders = (old / "registry" / "artifacts").glob("*/models/*/artifacts")
    return [artifacts.files_below(folder) for folder in folders]


def test_the_model_files_name_the_blocks_of_then(champions):
    """Otherwise they would prove nothing about a move of these blocks."""
    named = [set(skops.io.get_untrusted_types(data=files["model.skops"])) for files in champions]

    assert len(named) == len(FAMILIES)
    assert all(names >= BLOCKS for names in named)


def test_each_is_refitted_on_the_data_of_today_and_judged(champions, clone):
    """The gate holds the best model of today against it on equal folds."""
    assert clone.is_dir()
    settings, data, models = config.load(), workspace.read_data(), workspace.read_models()
    evaluations = {family: model.evaluation for family, model in models.items()}
    best = models[decision.best_family(evaluations, settings.promotion)]
    examiner = Examiner(
        data, workspace.plan(settings), 1, lambda _title: lambda items, _total: items
    )
    for files in champions:
        champion = Incumbent("the old champion", trained_model.read(files, "the old champion"))
        comparison = examiner.challenge(best, champion)
        verdict = decision.decide(best.evaluation, comparison, settings.promotion)

        changes = recipe_changes.changes(champion.model, models[champion.model.evaluation.family])
        assert comparison.differences, verdict.reason
        assert changes
        assert verdict.outcome in {Outcome.PROMOTE, Outcome.KEEP}, verdict.reason


def test_the_package_is_valid(old, context):
    """Every sha256 is right, and both model files give the golden answers."""
    about = ModelPackager(context.settings).validate_package(old / "package")

    assert (about.model_name, about.version, about.git_commit) == ("heart_disease", 1, COMMIT)


def test_mlflow_reads_the_model_beside_the_code_of_today(old):
    """By the list of types that it keeps in the files of the model."""
    model = mlflow.sklearn.load_model(str(old / "package" / MLFLOW))

    assert list(model.named_steps) == ["features", "classifier"]
