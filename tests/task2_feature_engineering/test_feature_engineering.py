"""The whole task: what it reads, what it writes, and what it refuses."""

import html
import json
import re
import shutil

import pytest

from pipeline import feature_engineering
from pipeline.base import artifacts, config, manifest
from pipeline.base.context import RunContext
from pipeline.base.errors import ArtifactError, ContractError, SettingsError
from pipeline.base.names import FAMILIES, METRIC_TITLES
from pipeline.dataset.tables import read_table, table_bytes
from pipeline.evaluation import cross_validation
from pipeline.evaluation.metrics import Ablation
from pipeline.table.contract import EXTERNAL
from pipeline.training import trained_model, workspace
from pipeline.training.families import FAMILY_TITLES
from tests import command_line, prepared
from tests.model_files import NAMES, loaded

ENGINEERED = ("heart_rate_share", "age_bands", "missing_flags")
PAGES = ["model-evaluation.html", "model-evaluation.md"]
COMMAND = "run `.venv/bin/python -m pipeline.data_acquisition_eda`"
every_page = pytest.mark.parametrize("page", PAGES)
every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder in which tasks 1 and 2 have run."""
    return prepared.trained(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return what task 2 printed."""
    return prepared.printed(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def models(finished):
    """Return the files below ``models/``, each checked."""
    return artifacts.read_folder(finished / artifacts.MODELS, made_by="feature_engineering")


@pytest.fixture(scope="module")
def trained(finished):
    """Return each family's model as task 3 reads it."""
    folders = {family: finished / artifacts.MODELS / family for family in FAMILIES}
    return {
        family: trained_model.read(artifacts.files_below(folder), family)
        for family, folder in folders.items()
    }


@pytest.fixture
def processed(workspace, finished):
    """Return the workspace with what task 1 makes in it."""
    shutil.copytree(finished / artifacts.PROCESSED, workspace / artifacts.PROCESSED)
    return workspace / artifacts.PROCESSED


def page_of(finished, name):
    """Return the text of a page, without the markup of HTML and its line ends."""
    text = (finished / artifacts.REPORTS / name).read_text("utf-8")
    plain = re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(plain).replace("`", " ").split())


def test_models_holds_six_files_for_each_family(models):
    """And the ablation table; nothing else."""
    expected = {f"{family}/{name}" for family in FAMILIES for name in NAMES}

    assert set(models) == {*expected, "ablation.json"}


def test_the_checksums_are_those_of_sha256sum(finished, models):
    """Sorted by path, in the format that the tool of that name checks."""
    lines = (finished / artifacts.MODELS / "SHA256SUMS").read_text()

    assert lines == manifest.checksum_lines(manifest.digests(models))


def test_the_figures_are_those_of_the_page(finished):
    """Four of them, with checksums too."""
    drawn = artifacts.read_folder(finished / artifacts.MODEL_FIGURES, made_by="feature_engineering")

    assert sorted(drawn) == ["calibration.png", "confusion.png", "precision_recall.png", "roc.png"]


def test_nothing_is_written_elsewhere(finished):
    """Task 1's folders, this task's folders, the settings: no other file appears."""
    assert sorted(path.name for path in finished.iterdir()) == [
        "config.yaml",
        "data",
        "figures",
        "models",
        "reports",
    ]


@every_family
def test_a_written_model_can_be_read_and_answers(trained, training, family):
    """With its out-of-fold predictions, its figures and its parameters."""
    model = trained[family]

    assert model.evaluation.family == family
    assert list(model.evaluation.metrics) == list(METRIC_TITLES)
    assert len(model.predictions) == 303
    assert 0 < model.evaluation.threshold < 1
    assert model.answer(training).shape == (303,)


@every_family
def test_the_two_written_forms_of_a_model_agree(trained, patients, family):
    """ONNX and scikit-learn, on all 920 patients."""
    model = trained[family]
    expected = cross_validation.probability(loaded(model.skops), patients)

    assert model.answer(patients) == pytest.approx(expected, abs=1e-5)


@every_family
def test_parameters_say_what_the_training_depended_on(trained, finished, quick, family):
    """The data by its digest, and every number of the configuration."""
    parameters = trained[family].parameters
    data = artifacts.read_folder(finished / artifacts.PROCESSED, made_by="data_acquisition_eda")

    assert parameters.data_digest == manifest.folder_digest(manifest.digests(data))
    assert parameters.seed == quick.model_seed
    assert parameters.hyperparameters == quick.models[family]
    assert parameters.features == workspace.plan(quick).features
    assert parameters.exam == quick.evaluation


@every_family
def test_each_hospital_and_each_slice_is_judged(trained, family):
    """Three hospitals, two sexes, four age bands."""
    found = trained[family].evaluation

    assert [place.name for place in found.external] == ["hungarian", "switzerland", "va"]
    assert [group.rows for group in found.slices[:2]] == [97, 206]
    assert len(found.slices) == 6


@every_family
def test_each_family_is_good_and_none_is_too_good(trained, family):
    """What is known of this data: above 0.97 would mean a leak."""
    metrics = trained[family].evaluation.metrics

    assert 0.85 < metrics["roc_auc"].mean < 0.97
    assert metrics["brier"].mean < 0.16


def test_the_ablation_has_every_feature_of_every_family(models):
    """Readable as the records they are."""
    found = [
        Ablation.model_validate(each) for each in json.loads(models["ablation.json"])["ablations"]
    ]

    assert {(each.feature, each.family) for each in found} == {
        (feature, family) for feature in ENGINEERED for family in FAMILIES
    }
    assert all("roc_auc" in each.differences for each in found)


def test_no_figure_is_written_that_json_cannot_say(models):
    """Neither NaN nor infinity, in any file."""
    for name, content in models.items():
        if name.endswith(".json"):
            assert not re.search(rb"\b(NaN|Infinity)\b", content)


@every_page
def test_the_page_has_every_metric_of_every_family(finished, trained, page):
    """With its standard error."""
    text = page_of(finished, page)

    for model in trained.values():
        for metric, found in model.evaluation.metrics.items():
            assert METRIC_TITLES[metric] in text
            assert f"{found.mean:.3f} ± {found.standard_error:.3f}" in text
        assert f"{model.evaluation.threshold:.3f}" in text


@every_page
def test_the_page_has_the_ablation_table(finished, page):
    """A row for each feature and family, and what an interval around 0 means."""
    text = page_of(finished, page)

    for feature in ENGINEERED:
        assert text.count(f"{feature} ") >= len(FAMILIES)
    assert "An interval that holds 0 does not show that the feature helps" in text
    assert "the folds of 1 repeat" in text


@every_page
def test_the_page_warns_of_switzerland(finished, page):
    """Eight healthy patients rank nothing."""
    text = page_of(finished, page)

    assert "Switzerland has only 8 patients without disease, so its ROC-AUC ranks nothing" in text


def test_what_the_page_says_of_the_other_hospitals_is_so(external):
    """Eight healthy in Switzerland; ca hardly ever, thal seldom, slope half of the time."""
    known = external[["ca", "thal", "slope"]].notna().mean()
    switzerland = external[external["hospital"] == "switzerland"]

    assert (switzerland["disease"] == 0).sum() == 8
    assert known["ca"] < 0.05
    assert known["thal"] < 0.25
    assert known["slope"] == pytest.approx(0.5, abs=0.01)


@every_page
def test_the_page_has_every_hospital_of_every_family(finished, trained, page):
    """With the interval of each ROC-AUC."""
    text = page_of(finished, page)

    for family, model in trained.items():
        assert FAMILY_TITLES[family] in text
        for place in model.evaluation.external:
            auc = place.roc_auc
            assert f"{auc.mean:.3f} [{auc.low:.3f}, {auc.high:.3f}]" in text


@every_page
def test_the_page_has_every_slice_of_every_family(finished, trained, page):
    """With the standard error of each ROC-AUC."""
    text = page_of(finished, page)

    for model in trained.values():
        for group in model.evaluation.slices:
            assert group.name in text
            assert f"{group.roc_auc.mean:.3f} ± {group.roc_auc.standard_error:.3f}" in text


def test_the_html_page_needs_nothing_beside_itself(finished):
    """Its four figures are inside, with a text for those who cannot see them."""
    text = (finished / artifacts.REPORTS / PAGES[0]).read_text("utf-8")

    assert text.count('<img src="data:image/png;base64,') == 4
    assert text.count("<img") == len(re.findall(r'alt="[^"]{20,}"', text))
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_the_markdown_page_has_whole_tables(finished):
    """Every row of a table has as many cells as its head."""
    text = (finished / artifacts.REPORTS / PAGES[1]).read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)

    assert len(tables) == 3 + len(EXTERNAL)
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
        assert re.match(r"\|(---:?\|)+$", table.splitlines()[1])


def test_it_prints_what_was_found_and_where_it_is(printed):
    """A row for each family and the three places."""
    assert all(
        place in printed for place in ["models/", "figures/models/", "model-evaluation.html"]
    )
    assert all(title.split()[0] in printed for title in FAMILY_TITLES.values())
    assert "ROC-AUC" in printed


def test_without_the_tables_it_names_the_command_that_makes_them(workspace):
    """And writes nothing."""
    with pytest.raises(ArtifactError, match=f"data/processed/ is missing.*{COMMAND}"):
        feature_engineering.run(RunContext.read())

    assert not (workspace / artifacts.MODELS).exists()


@pytest.mark.parametrize("name", ["training.parquet", "external.parquet"])
def test_a_changed_table_is_named(processed, name):
    """One bit is enough."""
    content = bytearray((processed / name).read_bytes())
    content[len(content) // 2] ^= 1
    (processed / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=f"{name} has changed: {COMMAND}"):
        feature_engineering.run(RunContext.read())


@pytest.mark.parametrize("name", ["training.parquet", "external.parquet"])
def test_a_missing_table_is_named(processed, name):
    """With the command that makes it again."""
    (processed / name).unlink()

    with pytest.raises(ArtifactError, match=f"{name} is missing: {COMMAND}"):
        feature_engineering.run(RunContext.read())


@pytest.mark.usefixtures("processed")
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("GAMA", "3", "no parameter gama"), ("C", "-1", "The 'C' parameter")],
    ids=["a misspelt name", "a refused value"],
)
def test_a_wrong_parameter_of_the_last_family_stops_before_the_first_is_fitted(
    monkeypatch, capsys, key, value, said
):
    """In one line, after no progress."""
    monkeypatch.setenv(f"{config.PREFIX}MODELS__SVM__{key}", value)

    with pytest.raises(SettingsError, match=rf"^models\.svm in config\.yaml: .*{said}"):
        feature_engineering.run(RunContext.read())

    assert capsys.readouterr() == ("", "")
    assert not artifacts.MODELS.exists()


def rewrite(processed, name, change):
    """Change a table of task 1 and make its checksums fit."""
    files = artifacts.read_folder(processed, made_by="data_acquisition_eda")
    files[name] = table_bytes(change(read_table(files[name])))
    artifacts.write_folder(processed, files)


@pytest.mark.parametrize("turned", [False, True], ids=["as it is", "turned around"])
def test_a_copy_of_the_target_among_the_features_is_caught(processed, turned):
    """Within the field's range, so that only its meaning gives it away; nothing is trained."""

    def leak(table):
        return table.assign(chol=200.0 + 50 * (table["disease"] ^ turned))

    rewrite(processed, "training.parquet", leak)

    with pytest.raises(ContractError, match="chol copies the target"):
        feature_engineering.run(RunContext.read())
    assert not artifacts.MODELS.exists()


def test_a_value_out_of_range_is_caught(processed):
    """Checksums that fit do not make a table one of ours."""
    rewrite(processed, "external.parquet", lambda table: table.assign(age=300.0))

    with pytest.raises(ContractError, match="age must be 18 to 110 years"):
        feature_engineering.run(RunContext.read())


@pytest.mark.usefixtures("workspace")
def test_the_command_ends_in_one_line_when_task_1_has_not_run():
    """With exit code 1 and no traceback."""
    done = command_line.call("pipeline.feature_engineering")

    assert done.returncode == 1
    assert done.stderr == f"error: data/processed/ is missing or unfinished: {COMMAND}\n"
