"""The plan of a training, and the files that one task leaves for the next, read and checked."""

import itertools

from pipeline.base import artifacts, config, manifest
from pipeline.base.config import Settings
from pipeline.base.context import RunContext
from pipeline.base.errors import SettingsError
from pipeline.base.names import FAMILIES, Family
from pipeline.dataset import rules
from pipeline.dataset.tables import read_table
from pipeline.table.contract import CONTRACT, EXTERNAL
from pipeline.table.engineered import FeatureRecipe
from pipeline.training import trained_model
from pipeline.training.fitting import Data
from pipeline.training.plan import TrainingPlan
from pipeline.training.trained_model import TrainedModel


def plan(settings: Settings) -> TrainingPlan:
    """Return the plan, once the settings name nothing that the table does not have.

    Raises:
        SettingsError: a number of a feature, a field or a cohort is unknown or out of range.

    """
    known = {cohort.name for cohort in EXTERNAL}
    if unknown := sorted(settings.promotion.external_minimum_roc_auc.keys() - known):
        raise SettingsError(
            "promotion.external_minimum_roc_auc in config.yaml: no external "
            f"{CONTRACT.cohort} is named {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        )
    optional = [field.name for field in CONTRACT.fields if field.nullable]
    left_out = itertools.chain(*settings.fields_left_out.patterns)
    if wrong := sorted(set(left_out).difference(optional)):
        raise SettingsError(
            f"fields_left_out in config.yaml: no patient may come without {', '.join(wrong)}; "
            f"but without {', '.join(optional)}"
        )
    return TrainingPlan(
        features=config.section("features", settings.features, FeatureRecipe),
        models=settings.models,
        model_seed=settings.model_seed,
        fields_left_out=settings.fields_left_out,
        evaluation=settings.evaluation,
        threshold=settings.threshold,
    )


def overridden(context: RunContext) -> list[str]:
    """Return what variables change of the plan that ``config.yaml`` describes, with both values.

    The commit does not give such models, so they are not registered. Nothing is returned where
    ``register_overridden`` says that they are.
    """
    settings = context.settings
    if settings.register_overridden:
        return []
    return plan(settings).changes(since=plan(context.file_settings))


def read_data() -> Data:
    """Return the tables of task 1.

    Raises:
        ArtifactError: they are missing or changed; the message names the command.
        ContractError: they break the data contract.

    """
    files = artifacts.read_folder(artifacts.PROCESSED, made_by="data_acquisition_eda")
    return Data(
        training=rules.check_training(CONTRACT, read_table(files["training.parquet"])),
        external=rules.check_external(CONTRACT, read_table(files["external.parquet"])),
        digest=manifest.folder_digest(manifest.digests(files)),
    )


def read_models() -> dict[Family, TrainedModel]:
    """Return the models of task 2.

    Raises:
        ArtifactError: they are missing or changed; the message names the command.

    """
    files = artifacts.read_folder(artifacts.MODELS, made_by="feature_engineering")
    return {
        family: trained_model.read(
            {name.removeprefix(f"{family}/"): content for name, content in files.items()},
            f"{artifacts.MODELS / family}",
        )
        for family in FAMILIES
    }
