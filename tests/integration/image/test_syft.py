"""Syft lists what is in an image, whatever it is told elsewhere; a stand-in notes how it is run."""

import json
import sysconfig

import pytest

from pipeline.image import sbom

STUB = """\
#!/usr/bin/env python3
import json, os, pathlib, sys
settings = sys.argv[sys.argv.index("--config") + 1]
json.dump(
    {"arguments": sys.argv[1:], "environ": dict(os.environ),
     "settings": pathlib.Path(settings).read_text()},
    sys.stdout,
)
"""


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Return how syft was started."""
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    (tmp_path / "syft").write_text(STUB)
    (tmp_path / "syft").chmod(0o755)
    monkeypatch.setenv("SYFT_EXCLUDE", "**")
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    return json.loads(sbom.make("heart:1"))


def test_no_setting_of_the_user_hides_a_package(seen):
    """What is not listed is not looked up among known vulnerabilities."""
    assert seen["settings"] == ""
    assert [name for name in seen["environ"] if name.startswith("SYFT_")] == [
        "SYFT_CHECK_FOR_APP_UPDATE"
    ]


def test_it_asks_the_user_s_engine_and_holds_no_token(seen):
    """Of the user's environment, that is what it is for."""
    assert "docker:heart:1" in seen["arguments"]
    assert seen["environ"]["DOCKER_HOST"] == "tcp://127.0.0.1:2375"
    assert "GITHUB_TOKEN" not in seen["environ"]
