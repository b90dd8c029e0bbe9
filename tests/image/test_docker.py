"""The client of the Docker engine, without an engine."""

import json

import pytest
from docker.auth import load_config

from pipeline.base.errors import ImageError
from pipeline.image.docker import explained


@pytest.mark.filterwarnings("ignore:docker-credential-nowhere not installed")
def test_a_helper_for_passwords_that_is_missing_is_one_line(tmp_path):
    """A configuration from another machine names it; every build asks it for all passwords."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"credsStore": "nowhere"}))

    with (
        pytest.raises(
            ImageError, match=r"^cannot build x: docker-credential-nowhere not installed"
        ),
        explained("cannot build x"),
    ):
        load_config(str(file)).get_all_credentials()
