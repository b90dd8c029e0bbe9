"""The whole command: what it trains, reads, writes, prints, and what it leaves alone."""

from functools import partial
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline import experiment_tracking
from pipeline.base import artifacts, config, manifest
from pipeline.base.context import RunContext
from pipeline.base.errors import ArtifactError, NotPromotedError
from pipeline.base.names import SERVED
from pipeline.registry import mlflow_calls
from pipeline.registry.client import CHAMPION, Registry, connect
from pipeline.report import comparison, report_record, rows
from tests import command_line
from tests.registries import counts

MARKDOWN = Path("reports/model-report.md")
PAGE = Path("reports/model-report.html")
RECORD = Path("reports/model-report.json")
ABSENT = "http://127.0.0.1:1"


def text():
    """Return the report that was written last."""
    return MARKDOWN.read_text()


def digest(folder):
    """Return one digest of every file below a folder."""
    return manifest.folder_digest(manifest.digests(artifacts.files_below(folder)))


def aliases(uri):
    """Return which version each registered model's champion is."""
    opened = Registry(uri, "heart-disease")
    names = [SERVED, *(f"{SERVED}_{family}" for family in ("svm", "random_forest"))]
    return [opened.find_alias(name, CHAMPION) for name in names]


@pytest.fixture
def unreachable(clone, monkeypatch):
    """Let the settings name a server that does not run."""
    monkeypatch.setenv(config.TRACKING_URI, ABSENT)
    monkeypatch.setenv("PIPELINE__REGISTRY__RETRY__TOTAL_SECONDS", "0")
    return clone


def test_the_report_of_unchanged_models(clone, capsys):
    """They are the champion: it stays, and nothing is trained."""
    before = digest(clone / "models")
    comparison.run(RunContext.read())

    assert text().startswith("## Model report: keep the champion\n")
    assert "the same model as heart_disease/1, byte for byte" in text()
    assert "Trained for this report: nothing." in text()
    assert "What changed: nothing since the newest registered version of each family." in text()
    assert digest(clone / "models") == before
    shown = capsys.readouterr()
    assert "changed       nothing since the newest registered version" in shown.out
    assert "verdict       keep the champion: the same model as heart_disease/1" in shown.out
    assert "report        reports/model-report.html" in shown.out
    assert "cross-validating" not in shown.err


@pytest.fixture
def without_alias(clone, registered):
    """Remove the champion's alias, as a person could, and put it back afterwards."""
    client = MlflowClient(f"sqlite:///{registered}/mlflow.db")
    client.delete_registered_model_alias(SERVED, CHAMPION)
    yield clone
    client.set_registered_model_alias(SERVED, CHAMPION, "1")


@pytest.mark.parametrize(
    "ask", [comparison.run, partial(experiment_tracking.run, dry_run=True)], ids=["report", "dry"]
)
@pytest.mark.usefixtures("without_alias")
def test_who_asks_without_deciding_is_told_of_the_same_champion(ask, capsys):
    """By the history, as one that decides; and that the alias does not say so."""
    ask(RunContext.read())

    shown = capsys.readouterr().out
    assert "the same model as heart_disease/1, byte for byte" in " ".join(shown.split())
    assert "heart_disease@champion stands on none, and by the history on version 1" in shown


def test_only_the_families_that_changed_are_trained(clone, monkeypatch, capsys):
    """With the settings of one, the three others are taken as they are; models/ stays."""
    before = digest(clone / "models")
    monkeypatch.setenv(f"{config.PREFIX}MODELS__LOGISTIC_REGRESSION__C", "0.05")
    comparison.run(RunContext.read())

    assert "Trained for this report: Logistic regression." in text()
    assert digest(clone / "models") == before
    shown = capsys.readouterr()
    # The five folds of one family.
    assert " 5/5 " in shown.err
    assert "changed       logistic_regression C: 0.3 -> 0.05\n" in shown.out


def test_without_models_all_are_trained(clone, capsys):
    """And none is written."""
    artifacts.write_folder(clone / "models", {})
    comparison.run(RunContext.read())

    families = "Random forest, Logistic regression, Gradient boosting, SVM"
    assert f"Trained for this report: {families}." in text()
    assert "byte for byte" in text()
    assert artifacts.files_below(clone / "models").keys() == {artifacts.CHECKSUMS}
    assert " 20/20 " in capsys.readouterr().err


def test_a_changed_feature_is_held_against_the_champion(clone, monkeypatch):
    """The champion is cross-validated beside it; the pages show both, and a comment will too."""
    assert clone.is_dir()
    for family in ("random_forest", "gradient_boosting"):
        monkeypatch.setenv(f"{config.PREFIX}MODELS__{family.upper()}__N_ESTIMATORS", "1")
    monkeypatch.setenv(f"{config.PREFIX}FEATURES__AGE_BANDS", "[50, 60]")
    comparison.run(RunContext.read())

    assert "heart_disease/1 stays: " in text()
    assert text().splitlines()[4:8] == [
        "- feature age_bands: 45, 55, 65 -> 50, 60",
        "- random_forest n_estimators: 10 -> 1",
        "- gradient_boosting n_estimators: 20 -> 1",
        "",
    ]
    assert "the challenger's: feature age_bands: 45, 55, 65 -> 50, 60" in text()
    assert "age 50 to 59" in text()
    assert "minus champion" in text()
    assert '<th scope="col">champion</th>' in PAGE.read_text()
    assert rows.markdown(report_record.read(RECORD.read_bytes())) == text()


def test_nothing_in_the_registry_is_created_or_moved(clone, registered, capsys):
    """Not a run, a version or an alias, and not a byte of its file."""
    uri = f"sqlite:///{registered}/mlflow.db"
    before = counts(uri), aliases(uri)
    held = digest(registered / "mlruns"), (registered / "mlflow.db").read_bytes()
    comparison.run(RunContext.read())

    assert (counts(uri), aliases(uri)) == before
    assert (digest(registered / "mlruns"), (registered / "mlflow.db").read_bytes()) == held
    assert before[0]["runs"] == 4
    assert clone.is_dir()
    assert capsys.readouterr().out


def test_a_missing_registry_is_not_made(clone, monkeypatch, capsys):
    """The report is about the first champion."""
    monkeypatch.delenv(config.TRACKING_URI)
    comparison.run(RunContext.read())

    assert "- Live champion: none, because there is no registry yet." in text()
    assert "**Promote**: the first champion: every absolute check passed." in text()
    assert not (clone / "mlflow.db").exists()
    assert not (clone / "mlruns").exists()
    assert "none, because there is no registry yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("uri", "made"),
    [
        ("sqlite:///{folder}/missing.db", False),
        ("sqlite:///{folder}/empty.db", False),
        ("sqlite:///{folder}/empty.db?timeout=5", False),
        ("sqlite:///{folder}/made.db", True),
        ("http://127.0.0.1:1", True),
    ],
)
def test_a_registry_is_made_once_its_file_holds_something(tmp_path, uri, made):
    """A server is asked; asking for an embedded one makes none."""
    (tmp_path / "empty.db").touch()
    (tmp_path / "made.db").write_bytes(b"SQLite format 3")
    files = sorted(tmp_path.iterdir())

    assert mlflow_calls.is_made(uri.format(folder=tmp_path)) is made
    assert sorted(tmp_path.iterdir()) == files


def test_an_empty_registry_has_no_champion(clone, monkeypatch):
    """One that was made, and in which task 3 never ran."""
    monkeypatch.setenv(config.TRACKING_URI, f"sqlite:///{clone}/empty.db")
    connect(config.load().registry)
    comparison.run(RunContext.read())

    assert "none, because no version holds heart_disease@champion." in text()
    assert clone.is_dir()


def test_a_registry_that_does_not_answer_leaves_the_absolute_part(unreachable, capsys):
    """The report says so first, and is no failure."""
    comparison.run(RunContext.read())

    head = text().partition("<details>")[0]
    assert "What changed: not known, as the registry gave no answer." in head
    assert head.startswith("## Model report: no verdict\n")
    assert "not known: the registry at http:\\//127.0.0.1:1 does not answer" in head
    assert "| ROC-AUC | 0." in text()
    assert "- No check failed: " in text()
    assert unreachable.is_dir()
    assert "verdict       no verdict: " in capsys.readouterr().out


@pytest.fixture
def tampered(clone, registered):
    """Change a byte of the champion's file in the registry, and put it back afterwards."""
    assert clone.is_dir()
    (path,) = [
        path
        for path in registered.rglob("mlruns/**/model.skops")
        if manifest.sha256(path.read_bytes()) == _champion_digest(registered)
    ]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    yield clone
    path.write_bytes(content)


def _champion_digest(registered):
    opened = Registry(f"sqlite:///{registered}/mlflow.db", "heart-disease")
    return opened.champion(SERVED).tags["model_digest"]


def test_a_champion_that_was_changed_is_not_compared(tampered):
    """The report names the file and shows the challenger alone."""
    comparison.run(RunContext.read())

    assert text().startswith("## Model report: keep the champion\n")
    assert "**Keep the champion**: heart_disease/1 cannot be compared." in text()
    assert "heart_disease/1, which cannot be compared: " in text()
    assert "model.skops" in text().partition("\n| ")[0]
    # A version that holds what the work tree has is not read.
    assert "What changed: nothing" in text()
    assert "| | challenger |" in text()
    assert tampered.is_dir()


def test_a_version_that_was_changed_has_no_list_of_changes(tampered, monkeypatch):
    """One line says so, and the report goes on."""
    monkeypatch.setenv(f"{config.PREFIX}MODELS__LOGISTIC_REGRESSION__C", "7")
    comparison.run(RunContext.read())

    assert "- logistic_regression: the newest registered version cannot be read\n" in text()
    assert tampered.is_dir()


def test_the_same_inputs_give_the_same_bytes(clone):
    """Nothing of the time or place is in any form."""
    forms = MARKDOWN, PAGE, RECORD
    comparison.run(RunContext.read())
    first = [form.read_bytes() for form in forms]
    comparison.run(RunContext.read())

    assert [form.read_bytes() for form in forms] == first
    assert str(clone) not in PAGE.read_text()


def test_the_markdown_fits_into_a_comment(clone):
    """Far below the 65,536 characters that a comment may have."""
    comparison.run(RunContext.read())

    assert len(MARKDOWN.read_bytes()) < 12_000
    assert clone.is_dir()


def test_a_required_promotion_that_does_not_come_is_an_error(clone):
    """After the report was written."""
    with pytest.raises(NotPromotedError, match="the champion stays: the same model"):
        comparison.run(RunContext.read(), require_promotion=True)
    assert (clone / PAGE).is_file()


def test_a_required_promotion_that_comes_is_none(clone, monkeypatch):
    """The first champion would be promoted."""
    monkeypatch.setenv(config.TRACKING_URI, f"sqlite:///{clone}/none.db")
    comparison.run(RunContext.read(), require_promotion=True)

    assert text().startswith("## Model report: promote\n")


def test_the_gate_says_the_same_as_experiment_tracking(clone, capsys):
    """One decision, shown by both commands."""
    experiment_tracking.run(RunContext.read(), dry_run=True)
    tracking = capsys.readouterr().out
    comparison.run(RunContext.read())

    reason = "the same model as heart_disease/1, byte for byte"
    assert f"verdict       keep: {reason}" in tracking
    assert f"**Keep the champion**: {reason}." in text()
    assert clone.is_dir()


def test_without_data_the_command_says_what_to_run(clone):
    """The next step, in one line."""
    (clone / "data/processed/SHA256SUMS").unlink()
    with pytest.raises(ArtifactError, match=r"python -m pipeline\.data_acquisition_eda"):
        comparison.run(RunContext.read())


@pytest.mark.usefixtures("clone")
def test_the_command_line_ends_with_three():
    """When a promotion was required; the error is one line, and the last one."""
    done = command_line.call("pipeline.report", "--require-promotion")

    assert done.returncode == 3
    assert "report        reports/model-report.html" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last == "error: the champion stays: the same model as heart_disease/1, byte for byte"
