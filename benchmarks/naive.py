"""What a first script for the same work looks like: the defaults of MLflow and BentoML, one by one.

`python -m benchmarks.naive` fits and cross-validates the same families on the same data and folds
as task 2. It logs and registers each with ``mlflow.sklearn.log_model`` as MLflow's quickstart does,
with an example and all else by default, makes the best one champion, and puts it into BentoML's
store. Its last line says, as JSON, how many seconds the fitting took, and the registering. It
writes where it stands: run it in a scratch folder.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Final

import bentoml
import mlflow
import mlflow.sklearn
import pandas as pd

from pipeline.base import artifacts, config
from pipeline.base.names import FAMILIES, Family
from pipeline.evaluation import metrics
from pipeline.table import parsing, source
from pipeline.table.contract import FEATURES
from pipeline.training import fitting, persistence, workspace
from pipeline.training.fitting import Data, Fitted
from pipeline.training.plan import TrainingPlan

REGISTRY: Final = "sqlite:///naive.db"
EXPERIMENT: Final = "naive"
METRICS: Final = ("roc_auc", "brier", "log_loss")


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, log, register, choose and store; print the seconds of fitting and of the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    families: list[Family] = parser.parse_args(arguments).families
    settings = config.load()
    data, plan = _data(), workspace.plan(settings)
    started = perf_counter()
    fitted = fitting.fit(families, data, plan, settings.workers, lambda predictions, _: predictions)
    ended = perf_counter()
    _store(fitted, data.training[list(FEATURES)].head(), plan)
    took = {"fitting": ended - started, "registering": perf_counter() - ended}
    sys.stdout.write(f"{json.dumps(took)}\n")


def _data() -> Data:
    parsed = parsing.parse(source.read(artifacts.RAW))
    table, abroad = parsing.training_table(parsed), parsing.external_table(parsed)
    return Data(table, abroad, "")


def _store(fitted: Mapping[Family, Fitted], example: pd.DataFrame, plan: TrainingPlan) -> None:
    mlflow.set_tracking_uri(REGISTRY)
    mlflow.set_experiment(EXPERIMENT)
    for family, model in fitted.items():
        _log(family, model, example, plan)
    (best,) = mlflow.search_runs(
        order_by=["metrics.roc_auc DESC"], max_results=1, output_format="list"
    )
    family = best.info.run_name
    client = mlflow.MlflowClient()
    (version,) = client.search_model_versions(f"run_id = '{best.info.run_id}'")
    client.set_registered_model_alias(version.name, "champion", version.version)
    bentoml.sklearn.save_model("naive_heart_disease", fitted[family].pipeline)


def _log(family: Family, fitted: Fitted, example: pd.DataFrame, plan: TrainingPlan) -> None:
    scores = metrics.summarise(fitted.predictions, plan.evaluation)
    with mlflow.start_run(run_name=family):
        mlflow.log_params(plan.models.get(family, {}))
        mlflow.log_metrics({name: scores[name].mean for name in METRICS})
        mlflow.sklearn.log_model(
            fitted.pipeline,
            name="model",
            input_example=example,
            registered_model_name=f"naive_{family}",
            # Without these the default format refuses every one of the four.
            skops_trusted_types=list(persistence.TRUSTED_TYPES),
        )


if __name__ == "__main__":
    main()
