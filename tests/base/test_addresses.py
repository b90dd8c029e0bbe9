"""Addresses: what is shown of one, and where a secret may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from pipeline.base import addresses
from pipeline.base.addresses import shown

USERS = st.text(min_size=1).filter(lambda user: not user.startswith("/"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://alice:p?s#s@host.example:8443/path", "https://host.example:8443/path"),
        ("https://s3cret@host.example/owner/repository.git", None),
        ("https://host.example/path?token=s3cret#part", "https://host.example/path"),
        ("postgresql+psycopg://ann:p@ss@db.example:5432/mlflow", None),
        (
            "postgresql://db.example/mlflow?user=ann&password=s3cret",
            "postgresql://db.example/mlflow",
        ),
        ("postgresql:///mlflow?password=s3cret", "postgresql:///mlflow"),
        ("ssh://git@host.example/owner/repository.git", None),
        ("http://[::1]:5000/", "http://[::1]:5000/"),
        ("http://[::1", "http://[::1"),
        ("git@host.example:owner/repository.git", "git@host.example:owner/repository.git"),
        ("sqlite:////home/ann@example.org/mlflow.db", "sqlite:////home/ann@example.org/mlflow.db"),
        ("sqlite:///mlflow.db?timeout=30", "sqlite:///mlflow.db"),
        ("../remote.git", "../remote.git"),
        ("ann:p@ss@host.example:5000", "host.example:5000"),
        ("/home/ann:1@example.org/remote.git", "/home/ann:1@example.org/remote.git"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(address, expected):
    """And otherwise as it was written; None: the user alone is missing."""
    scheme, _, rest = address.partition("://")
    assert shown(address) == (expected if expected is not None else without_user(scheme, rest))


def without_user(scheme, rest):
    """Return an address from its last part on."""
    return f"{scheme}://{rest.rpartition('@')[2]}"


@given(user=USERS, password=st.text())
def test_no_password_is_shown_whatever_is_in_it(user, password):
    """An address that is written by hand is not encoded."""
    address = f"https://{user}:{password}@host.example/path"

    assert shown(address) == "https://host.example/path"


@given(st.text())
def test_what_is_shown_can_be_shown(text):
    """Once more, it is the same."""
    assert shown(shown(text)) == shown(text)


@given(user=USERS, password=st.text())
def test_what_another_program_says_shows_no_address_that_it_was_given(user, password):
    """Also one that holds what no pattern takes for a part of an address."""
    address = f"https://{user}:{password}@host.example/"

    said = addresses.redacted(f"cannot reach '{address}info/refs', sorry", address)

    assert said == "cannot reach 'https://host.example/info/refs', sorry"


def test_every_address_in_a_text_is_shown_as_one():
    """Of others too, which the caller did not name: a redirection, a proxy."""
    said = (
        'proxy http://a:b@proxy.example:80 of "https://c:d@x.example/?token=e" gave up: f@g.example'
    )

    assert addresses.redacted(said) == (
        'proxy http://proxy.example:80 of "https://x.example/" gave up: f@g.example'
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://GitHub.com/owner", "https://github.com"),
        ("https://github.com:443", "https://github.com"),
        ("https://github.com:8443/x", "https://github.com:8443"),
        ("http://user:password@host.example:80", "http://host.example"),
        ("https://[::1]:5000/x", "https://[::1]:5000"),
        ("https://host:port", ""),
        ("https://[::1", ""),
        ("ssh://git@github.com", ""),
        ("github.com", ""),
        ("", ""),
    ],
)
def test_the_origin_is_scheme_host_and_port(address, expected):
    """What two addresses of one server have in common."""
    assert addresses.origin(address) == expected


@pytest.mark.parametrize(
    ("api", "server", "expected"),
    [
        ("https://api.github.com", "https://github.com", True),
        ("https://github.example/api/v3", "https://github.example", True),
        ("https://api.team.ghe.com", "https://team.ghe.com", True),
        ("http://127.0.0.1:8080", "https://github.com", True),
        ("http://api.github.com", "https://github.com", False),
        ("https://api.github.com", "https://github.example", False),
        ("https://api.github.com.evil.example", "https://github.com", False),
        ("https://evil.example/api.github.com", "https://github.com", False),
        ("https://api.github.com:8443", "https://github.com", False),
        ("http://localhost.evil.example", "https://github.com", False),
        ("", "", False),
    ],
)
def test_an_api_belongs_to_one_server(api, server, expected):
    """On github.com, on a server of GitHub Enterprise, on a subdomain of ghe.com, and in a test."""
    assert addresses.is_api_of(api, server) is expected


@pytest.mark.parametrize(
    ("address", "api", "expected"),
    [
        ("https://uploads.github.com/repos/o/r", "https://api.github.com", True),
        ("https://github.example/api/uploads/o/r", "https://github.example/api/v3", True),
        ("https://uploads.team.ghe.com/o/r", "https://api.team.ghe.com", True),
        ("http://127.0.0.1:8080/o/r", "http://127.0.0.1:8080", True),
        ("http://127.0.0.1:8081/o/r", "http://127.0.0.1:8080", False),
        ("http://uploads.github.com/o/r", "https://api.github.com", False),
        ("https://uploads.evil.example/o/r", "https://api.github.com", False),
        ("https://evil.example/o/r", "https://github.example/api/v3", False),
        ("", "", False),
    ],
)
def test_files_are_sent_to_the_same_github(address, api, expected):
    """An answer could name any address."""
    assert addresses.takes_uploads_of(address, api) is expected


@pytest.mark.parametrize("name", ["mlflow.db", "a b", "100% ours", "a%20b", "was? #1", "\u00fc"])
def test_the_file_of_an_embedded_registry_may_lie_anywhere(tmp_path, name):
    """MLflow's own library finds the same file by that address."""
    file = tmp_path / name
    address = addresses.of_database(str(file))

    assert addresses.registry(address) == address
    assert addresses.database(address) == str(file)
    assert make_url(address).database == str(file)


def test_an_address_as_a_person_writes_it_is_that_of_its_file():
    """Relative to the current folder."""
    assert addresses.database("sqlite:///mlflow.db") == "mlflow.db"
    assert addresses.database("http://127.0.0.1:5000") is None
