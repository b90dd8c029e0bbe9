"""Known vulnerabilities stop a release, and so does not knowing."""

import json

import pytest

from pipeline.base.errors import ReleaseError, ScanError
from pipeline.release import scan
from pipeline.release.scan import Component, known, python_packages

SBOM = json.dumps(
    {
        "components": [
            {"purl": "pkg:pypi/numpy@2.4.6", "name": "numpy"},
            {"purl": "pkg:pypi/starlette@1.0.0"},
            {"purl": "pkg:deb/debian/libc6@2.36?distro=debian-12"},
            {"purl": "pkg:pypi/numpy@2.4.6?extension=1"},
            {"name": "no address"},
        ]
    }
).encode()
NUMPY = Component(name="numpy", version="2.4.6")
STARLETTE = Component(name="starlette", version="1.0.0")


def test_the_python_packages_of_an_image_are_asked_about(osv, capsys):
    """Those that are in it, whatever a lock says."""
    scan.run(SBOM)

    assert [(one["name"], one["version"]) for one in osv.asked] == [
        ("numpy", "2.4.6"),
        ("starlette", "1.0.0"),
    ]
    assert capsys.readouterr().out == "scan          2 Python packages, no known vulnerability\n"


def test_a_known_vulnerability_stops_the_release(osv):
    """The line names the package and every one of them."""
    osv.known["starlette"] = ["GHSA-b", "GHSA-a"]

    with pytest.raises(ReleaseError, match=r"starlette 1\.0\.0: GHSA-a, GHSA-b: update require"):
        scan.run(SBOM)


def test_one_that_cannot_be_reached_can_be_accepted(osv, capsys):
    """By its name, which is then shown; another one still stops the release."""
    osv.known["starlette"] = ["GHSA-a"]
    scan.run(SBOM, ("GHSA-a",))
    assert "GHSA-a accepted" in capsys.readouterr().out

    osv.known["starlette"] = ["GHSA-a", "GHSA-b"]
    with pytest.raises(ReleaseError, match=r"1\.0\.0: GHSA-b: update"):
        scan.run(SBOM, ("GHSA-a",))


def test_a_database_that_does_not_answer_stops_the_release(osv, capsys):
    """One line; or, if the operator insists, a line that says so."""
    osv.troubles = [400, 400]

    with pytest.raises(ScanError, match=r"answered 400.*: try later, or insist with --allow-unsc"):
        scan.run(SBOM)
    scan.run(SBOM, allow_unscanned=True)
    assert capsys.readouterr().out.startswith("scan          NOT DONE: the database of vuln")


def test_a_database_that_is_out_of_reach_is_one_line():
    """After a few attempts."""
    with pytest.raises(ScanError, match=r"at http://127\.0\.0\.1:9 gave no answer to POST /v1"):
        known("http://127.0.0.1:9", [NUMPY], wait=0)


@pytest.mark.parametrize(
    "content",
    [{"results": []}, {"results": [{}]}, {"results": [{}, {}, {}]}, {"results": None}, [], "x"],
)
def test_an_answer_about_something_else_is_none(osv, content):
    """Silence about a package is not a clean one."""
    osv.instead = content

    with pytest.raises(ScanError, match="does not answer about all of 2 packages"):
        known(osv.url, [NUMPY, STARLETTE])


def test_a_short_trouble_of_the_database_is_waited_for(osv):
    """A question changes nothing, so it is asked again."""
    osv.troubles = [503, 429]
    osv.known["numpy"] = ["GHSA-a"]

    assert known(osv.url, [NUMPY, STARLETTE], wait=0) == {NUMPY: ("GHSA-a",)}


def test_a_refusal_of_the_database_is_one_line(osv):
    """Asking again would not help."""
    osv.troubles = [400]

    with pytest.raises(ScanError, match="answered 400 to POST /v1/querybatch: trouble"):
        known(osv.url, [NUMPY], wait=0)


@pytest.mark.parametrize(
    "sbom",
    [b"", b"{}", b"[]", b'{"components": []}', b'{"components": [{"purl": "pkg:deb/a@1"}]}'],
)
def test_an_sbom_without_packages_is_refused(sbom):
    """Nothing to ask about would look like nothing found."""
    with pytest.raises(ScanError, match="lists no Python package"):
        python_packages(sbom)
