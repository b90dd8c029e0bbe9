"""Settings: one file, the environment over it, and a name for everything that is wrong."""

import re
import subprocess
import sys

import pydantic
import pytest
import yaml

from pipeline.base import config
from pipeline.base.errors import SettingsError
from pipeline.training import workspace
from tests.conftest import ROOT


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """Return a folder with the repository's settings, as the current folder."""
    (tmp_path / "config.yaml").write_bytes((ROOT / "config.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(path, value):
    """Give the setting at ``path`` another value in the current folder's ``config.yaml``."""
    content = yaml.safe_load(config.FILE.read_text())
    *sections, key = path.split(".")
    section = content
    for name in sections:
        section = section[name]
    section[key] = value
    config.FILE.write_text(yaml.safe_dump(content))


@pytest.mark.usefixtures("clone")
def test_the_settings_of_the_repository_load():
    """As they are committed."""
    content = yaml.safe_load(config.FILE.read_text())

    assert config.load().evaluation.folds == content["evaluation"]["folds"]


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    "path",
    ["evalution", "evaluation.fold", "promotion.slices.margn"],
    ids=["top", "section", "deeper"],
)
def test_a_misspelt_key_stops_with_its_name(path):
    """At each level of the file."""
    change(path, 3)

    with pytest.raises(SettingsError, match=f"{path}: Extra inputs are not permitted"):
        config.load()


@pytest.mark.usefixtures("clone")
def test_a_margin_of_a_metric_that_does_not_exist_is_named():
    """It would protect nothing."""
    change("promotion.margins.brierr", 0.1)

    with pytest.raises(SettingsError, match=r"promotion\.margins\.brierr"):
        config.load()


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("evaluation.folds", "ten", id="a word for a number"),
        pytest.param("evaluation.folds", 2.5, id="half a fold"),
        pytest.param("evaluation.folds", None, id="nothing"),
        pytest.param("evaluation.folds", 1, id="below its range"),
        pytest.param("packaging.port", 65535, id="above its range"),
        pytest.param("promotion.minimum_roc_auc", float("nan"), id="no number"),
        pytest.param("promotion.mode", "square", id="not among the choices"),
        pytest.param("models.svm", 3, id="a number for parameters"),
        pytest.param("evaluation", [], id="a list for a section"),
        pytest.param("workers", 0, id="no worker at all"),
    ],
)
def test_a_value_that_no_setting_accepts_stops_with_the_settings_name(path, value):
    """Wrong type or out of range."""
    change(path, value)

    with pytest.raises(SettingsError, match=f" {path}: "):
        config.load()


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("features.age_bands", [55, 45], "age_bands: .*above the one before"),
        ("features.age_bands", "young", "age_bands: "),
        ("features.age_band", [55], "age_band: "),
        ("features.maximum_heart_rate_intercept", 20, "maximum_heart_rate_intercept: "),
        ("promotion.external_minimum_roc_auc.hungary", 0.7, "hungary; known: hungarian, "),
    ],
)
def test_what_the_table_does_not_have_stops_the_training_with_its_name(path, value, named):
    """The settings carry it as it is; what is about patients, the room that knows them judges."""
    change(path, value)
    settings = config.load()

    with pytest.raises(SettingsError, match=f"{path.rpartition('.')[0]}.*{named}"):
        workspace.plan(settings)


@pytest.mark.usefixtures("clone")
def test_every_breach_is_named_at_once():
    """Two mistakes are one run, not two."""
    change("evaluation.folds", 1)
    change("packaging.port", 0)

    with pytest.raises(SettingsError, match=r"evaluation\.folds: .*; packaging\.port: "):
        config.load()


@pytest.mark.usefixtures("clone")
def test_a_missing_section_is_named():
    """There are no hidden defaults: the file is the whole truth."""
    content = yaml.safe_load(config.FILE.read_text())
    config.FILE.write_text(yaml.safe_dump(content | {"source": {}}))

    with pytest.raises(SettingsError, match=r"source\.url: Field required"):
        config.load()


@pytest.mark.parametrize(
    "content",
    [b"", b"- 1\n", b"hello", b"a: [1\nb: {", b"a: \xff", b"a:\t- x\n\t y:1"],
    ids=["empty", "list", "word", "brackets", "no text", "tabs"],
)
def test_a_broken_file_is_one_line_with_its_name(clone, content):
    """The parser's own account, which spans lines, is folded."""
    (clone / "config.yaml").write_bytes(content)

    with pytest.raises(SettingsError, match=r"^config\.yaml .*") as caught:
        config.load()

    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where_to_run_from(tmp_path, monkeypatch):
    """The usual reason: another current folder."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match=r"no config\.yaml in .*: run from the root"):
        config.load()


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("variable", "path", "value"),
    [
        ("PIPELINE__WORKERS", "workers", 3),
        ("pipeline__workers", "workers", 3),
        ("PIPELINE__EVALUATION__FOLDS", "evaluation.folds", 3),
        ("PIPELINE__MODELS__SVM__C", "models.svm.C", 3.0),
        ("PIPELINE__MODELS__SVM__GAMMA", "models.svm.gamma", "auto"),
        ("PIPELINE__MODELS__SVM__GAMMA", "models.svm.gamma", "[no YAML"),
        ("PIPELINE__MODELS__SVM__SHRINKING", "models.svm.shrinking", False),
        ("PIPELINE__REGISTRY__EXPERIMENT", "registry.experiment", "3"),
    ],
)
def test_the_environment_overrides_one_value_at_any_level(monkeypatch, variable, path, value):
    """And leaves all the others as the file says."""
    monkeypatch.setenv(variable, str(value))
    overridden = config.load().model_dump()
    monkeypatch.delenv(variable)
    change(path, value)

    assert overridden == config.load().model_dump()


@pytest.mark.usefixtures("clone")
def test_the_file_alone_is_read_as_if_there_were_no_variable(monkeypatch):
    """So that a training can be told from that of the commit."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before = config.load_file().model_dump()
    assert before == config.load().model_dump()
    monkeypatch.setenv("PIPELINE__EVALUATION__FOLDS", "3")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")

    assert config.load_file().model_dump() == before


@pytest.mark.usefixtures("clone")
def test_a_file_that_only_a_variable_makes_valid_is_refused(monkeypatch):
    """Alone, it describes no training."""
    change("evaluation.folds", 1)
    monkeypatch.setenv("PIPELINE__EVALUATION__FOLDS", "3")

    with pytest.raises(SettingsError, match=r"evaluation\.folds"):
        config.load_file()


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("PIPELINE__SED", "PIPELINE__SED"),
        ("PIPELINE__WORKERS__X", "PIPELINE__WORKERS__X"),
        ("PIPELINE__EVALUATION_FOLDS", "PIPELINE__EVALUATION_FOLDS"),
        ("PIPELINE__EVALUATION__FOLD", r"evaluation\.fold"),
        ("PIPELINE__EVALUATION__FOLDS__X", r"evaluation\.folds"),
        ("PIPELINE__MODELS__SWM__GAMMA", r"models\.swm"),
        ("PIPELINE__MODELS__SVM", r"models\.svm"),
        ("PIPELINE__EVALUATION", "evaluation"),
    ],
)
def test_a_misspelt_variable_stops_with_its_name(monkeypatch, variable, named):
    """What would be ignored silently is what a person would search for longest."""
    monkeypatch.setenv(variable, "3")

    with pytest.raises(SettingsError, match=named):
        config.load()


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("variable", "setting"),
    [
        ("HEART_DISEASE_WORKERS", "PIPELINE__WORKERS"),
        ("heart_disease_workers", "PIPELINE__WORKERS"),
        ("HEART_DISEASE_EVALUATION__REPEATS", "PIPELINE__EVALUATION__REPEATS"),
        ("HEART_DISEASE_PACKAGING__PORT", "PIPELINE__PACKAGING__PORT"),
        ("HEART_DISEASE_MODELS", "PIPELINE__MODELS"),
        ("HEART_DISEASE__WORKERS", "PIPELINE__WORKERS"),
        ("PIPELINE_PROMOTION__MODE", "PIPELINE__PROMOTION__MODE"),
    ],
)
def test_the_former_prefix_or_a_lost_underscore_stops_with_the_name_to_write(
    monkeypatch, variable, setting
):
    """Ignored, `PIPELINE_PROMOTION__MODE=disabled` would promote."""
    monkeypatch.setenv(variable, "3")

    with pytest.raises(SettingsError, match=rf"write {setting} for {variable}$"):
        config.load()


@pytest.mark.usefixtures("clone")
def test_every_former_name_is_told_at_once(monkeypatch):
    """Two variables are one run, not two."""
    monkeypatch.setenv("HEART_DISEASE_WORKERS", "1")
    monkeypatch.setenv("HEART_DISEASE_MODEL_SEED", "1")

    with pytest.raises(SettingsError, match=r"_SEED for .*, write PIPELINE__WORKERS for"):
        config.load()


def service_links(name, address="10.0.0.7", port=3000):
    """Return the variables in which Kubernetes tells a pod of a Service, and Docker of a link."""
    word = name.upper().replace("-", "_")
    url = f"tcp://{address}:{port}"
    return {
        f"{word}_SERVICE_HOST": address,
        f"{word}_SERVICE_PORT": str(port),
        f"{word}_SERVICE_PORT_HTTP": str(port),
        f"{word}_PORT": url,
        f"{word}_PORT_{port}_TCP": url,
        f"{word}_PORT_{port}_TCP_PROTO": "tcp",
        f"{word}_PORT_{port}_TCP_PORT": str(port),
        f"{word}_PORT_{port}_TCP_ADDR": address,
        f"{word}_NAME": f"/app/{name}",
        f"{word}_ENV_PYTHONUNBUFFERED": "1",
    }


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    "service",
    [
        *("heart-disease", "heart-disease-workers", "heart-disease-packaging"),
        *("pipeline", "pipeline-workers", "pipeline-packaging", "pipeline-venv"),
        *("mlflow", "mlflow-tracking-uri", "registry", "osv-url", "github", "github-api"),
    ],
)
def test_a_service_beside_the_pod_changes_no_setting(monkeypatch, service):
    """Ours is named after the image, and others after whatever it is that they do."""
    before = config.load(), config.CiRun(), config.image_registry(), config.vulnerabilities_url()
    for variable, value in service_links(service).items():
        monkeypatch.setenv(variable, value)

    after = config.load(), config.CiRun(), config.image_registry(), config.vulnerabilities_url()
    assert after == before


@pytest.mark.parametrize("starter", ["Makefile", "docker/mlflow/entry"])
def test_a_service_named_mlflow_does_not_move_mlflows_own_server(starter):
    """MLflow takes MLFLOW_PORT for the port to listen at, unless the command names one."""
    (options,) = re.findall(r"mlflow (?:ui|server) (.*)", (ROOT / starter).read_text())

    assert "--port" in options.split()


@pytest.mark.usefixtures("clone")
def test_a_variable_that_is_no_json_where_a_section_is_expected_is_named(monkeypatch):
    """A whole section can be given as JSON, and mistyped."""
    monkeypatch.setenv("PIPELINE__EVALUATION", "{folds")

    with pytest.raises(SettingsError, match=r'in PIPELINE__.* variables: .*"evaluation"'):
        config.load()


@pytest.mark.usefixtures("clone")
def test_mlflows_own_variable_names_the_registry(monkeypatch):
    """A team that has a server has this variable already; it wins over everything."""
    monkeypatch.setenv("PIPELINE__REGISTRY__TRACKING_URI", "sqlite:///other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")

    assert config.load().registry.tracking_uri == "http://mlflow.example:5000"


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    "address",
    [
        *("databricks", "databricks-uc", "uc:http://a", "file:///tmp/a", "./mlruns", " ", "//a/b"),
        *("postgresql://a/b", "postgresql://a:port/b", "mysql://a/b", "mssql://a/b", "s3://a/b"),
        *("sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?mode=ro", "SQLITE:///a"),
        *("http://", "http://[::1", "http://a:99999", "https://a:port", "a://ann:secret@b"),
    ],
)
def test_an_address_that_is_no_registry_stops_with_the_two_that_are(monkeypatch, address):
    """Wherever it was given."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(
        SettingsError, match="' is no registry: name a file, sqlite:///mlflow"
    ) as no:
        config.load()

    assert "secret" not in str(no.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv("PIPELINE__REGISTRY__TRACKING_URI", address)
    with pytest.raises(SettingsError, match=r"registry\.tracking_uri: .* is no registry"):
        config.load()


def test_an_empty_mlflow_variable_counts_as_unset(monkeypatch):
    """As CI sets a variable from a secret that does not exist."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")

    assert config.load().registry.tracking_uri == "sqlite:///mlflow.db"


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("section", "key"), [("", "workers"), ("evaluation", "folds"), ("registry", "tracking_uri")]
)
def test_settings_are_frozen(section, key):
    """What a run began with is what it ends with."""
    settings = config.load()

    with pytest.raises(pydantic.ValidationError, match="frozen"):
        setattr(getattr(settings, section, settings), key, 3)


def test_a_run_in_ci_knows_the_address_of_its_page(monkeypatch):
    """From the three variables that GitHub Actions sets."""
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/name")
    monkeypatch.setenv("GITHUB_RUN_ID", "7")

    assert config.CiRun().url == "https://github.example/owner/name/actions/runs/7"


@pytest.mark.parametrize(
    ("server", "api"),
    [
        ("https://github.com", "https://evil.example"),
        ("https://github.com", "http://api.github.com"),
        ("https://github.example", "https://api.github.com"),
        ("", "https://github.example/api/v3"),
    ],
    ids=["another", "unencrypted", "the default", "no server"],
)
def test_a_token_goes_to_the_api_of_the_server_that_issued_it(monkeypatch, server, api):
    """The message names both variables, and the step."""
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    monkeypatch.setenv("GITHUB_SERVER_URL", server)
    monkeypatch.setenv("GITHUB_API_URL", api)

    with pytest.raises(SettingsError, match=f"GITHUB_API_URL, {api}, is not .*GITHUB_SERVER_URL"):
        config.CiRun().must_have("token")


def test_a_token_without_a_server_is_for_github_com(monkeypatch):
    """At home, the token alone is enough for its API."""
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")

    config.CiRun().must_have("token")


def test_a_run_at_home_has_no_page():
    """An empty address, not half of one."""
    assert config.CiRun().url == ""


def test_a_command_with_wrong_settings_ends_with_exit_code_2(clone):
    """As command lines do for wrong usage, with one line that has the name."""
    change("evalution", 3)
    code = "from pipeline.base import cli, config; cli.run(lambda: print(config.load()))"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=clone,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == config.SettingsError.exit_code == 2
    assert done.stderr.startswith("error: in config.yaml")
    assert "evalution" in done.stderr
    assert done.stderr.count("\n") == 1
