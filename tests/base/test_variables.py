"""The environments of programs that are started here, as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base import variables

ENVIRONMENTS = st.dictionaries(
    st.sampled_from(["NO_PROXY", "no_proxy", "HTTP_PROXY", "PATH"]), st.text("ab*, .", max_size=9)
)
OURS = "127.0.0.1,localhost,::1"


@pytest.mark.parametrize(
    ("given_", "upper", "lower"),
    [
        ({}, OURS, OURS),
        ({"NO_PROXY": "a.example, b.example"}, f"a.example,b.example,{OURS}", None),
        ({"no_proxy": "a.example"}, f"a.example,{OURS}", None),
        ({"NO_PROXY": "a", "no_proxy": "b"}, f"a,{OURS}", f"b,{OURS}"),
        ({"NO_PROXY": "localhost"}, "localhost,127.0.0.1,::1", None),
        ({"NO_PROXY": "*"}, "*", None),
    ],
    ids=["nothing", "capitals", "small", "both", "some of them", "everything"],
)
def test_this_machine_joins_the_hosts_without_a_proxy(given_, upper, lower):
    """In both spellings, since programs read one or the other; None: as in capitals."""
    found = variables.direct(given_)

    assert found == {**given_, "NO_PROXY": upper, "no_proxy": lower or upper}


@given(ENVIRONMENTS)
def test_this_machine_joins_them_once(environ):
    """Each program of ours does it again for those that it starts."""
    once = variables.direct(environ)

    assert variables.direct(once) == once


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "HTTPS_PROXY", "https_proxy", "all_proxy"),
        *("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
    ],
)
def test_a_tool_is_given_what_every_program_needs(name):
    """Its files, its language and the network."""
    assert variables.for_tool({name: "x"})[name] == "x"


@pytest.mark.parametrize(
    "name",
    [
        *("GITHUB_TOKEN", "MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "DOCKER_HOST"),
        *("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "GUNICORN_CMD_ARGS", "WEB_CONCURRENCY"),
        *("UVICORN_PORT", "FLASK_APP", "FORWARDED_ALLOW_IPS", "PORT", "BENTOML_CONFIG", "GIT_DIR"),
    ],
)
def test_a_tool_is_given_no_secret_and_no_setting(name):
    """It does what it is told here, not what was meant for another program."""
    assert name not in variables.for_tool({name: "x"})


def test_a_tool_that_asks_docker_is_led_to_the_engine():
    """The one that the user works with."""
    environ = {"DOCKER_HOST": "ssh://host.example", "SSH_AUTH_SOCK": "/socket"}

    assert environ.items() <= variables.for_tool(environ, *variables.DOCKER).items()


def test_another_registry_asks_for_no_account_of_the_first():
    """Neither account nor run of it, and the rest of the user's environment stays."""
    environ = {
        "MLFLOW_TRACKING_URI": "https://mlflow.example.org",
        "MLFLOW_TRACKING_USERNAME": "ci",
        "MLFLOW_TRACKING_PASSWORD": "secret",
        "MLFLOW_TRACKING_TOKEN": "secret",
        "MLFLOW_REGISTRY_URI": "https://mlflow.example.org",
        "MLFLOW_EXPERIMENT_ID": "7",
        "MLFLOW_RUN_ID": "abc",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GITHUB_TOKEN": "secret",
    }

    assert variables.with_registry(environ, "http://127.0.0.1:9") == {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GITHUB_TOKEN": "secret",
    }
