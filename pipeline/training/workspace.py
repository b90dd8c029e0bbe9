"""What one task leaves for the next, read back as values and checked."""

from pipeline.base import artifacts, manifest
from pipeline.base.names import FAMILIES, Family
from pipeline.dataset.tables import read_table
from pipeline.table import rules
from pipeline.training import trained_model
from pipeline.training.fitting import Data
from pipeline.training.trained_model import TrainedModel


def read_data() -> Data:
    """Return the tables of task 1.

    Raises:
        ArtifactError: they are missing or changed; the message names the command.
        ContractError: they break the data contract.

    """
    files = artifacts.read_folder(artifacts.PROCESSED, made_by="data_acquisition_eda")
    return Data(
        training=rules.check_training(read_table(files["training.parquet"])),
        external=rules.check_external(read_table(files["external.parquet"])),
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
