"""The laws of checksums: order-free, exact, and readable by sha256sum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.base import manifest

# Everything a file system takes as one name, odd ones included, but line ends: see `ODD`.
NAMES = st.text(
    st.characters(exclude_characters="/\n\r\0", exclude_categories=["Cs"]), min_size=1, max_size=8
).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=8), max_size=5)
ODD = [
    "",
    "/etc/passwd",
    "../up",
    "a/../b",
    "./a",
    "a//b",
    "a/",
    "two\nlines",
    "two\rlines",
    "a\0b",
]
GOOD = manifest.checksum_lines(manifest.digests({"a": b"1", "b/c": b"2"}))


def test_the_digest_of_a_file_is_its_sha256():
    """The published sha256 of the three letters abc."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    assert manifest.sha256(b"abc") == expected


@given(FILES, st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(files, random):
    """A folder has no order, so neither have its digests."""
    shuffled = list(files.items())
    random.shuffle(shuffled)

    assert manifest.checksum_lines(manifest.digests(dict(shuffled))) == manifest.checksum_lines(
        manifest.digests(files)
    )


@given(FILES)
def test_reading_checksum_lines_is_the_inverse_of_writing_them(files):
    """Whatever the file names: spaces, quotes, unicode line separators, a leading dash."""
    known = manifest.digests(files)

    assert manifest.parse_checksum_lines(manifest.checksum_lines(known)) == known


@given(FILES, FILES)
def test_two_folders_have_no_differences_exactly_when_they_are_equal(one, other):
    """No false positive, and nothing missed."""
    found = manifest.differences(manifest.digests(one), manifest.digests(other))

    assert (found == ()) == (one == other)


@given(FILES, FILES)
def test_two_folders_have_one_digest_exactly_when_they_are_equal(one, other):
    """Content, names and borders between them all count."""
    same = manifest.folder_digest(manifest.digests(one)) == manifest.folder_digest(
        manifest.digests(other)
    )

    assert same == (one == other)


def test_differences_name_every_file_and_what_is_wrong_with_it():
    """One look tells which files to make again."""
    expected = manifest.digests({"gone": b"", "same": b"", "other": b"1"})
    actual = manifest.digests({"same": b"", "other": b"2", "new": b""})

    assert manifest.differences(expected, actual) == (
        "gone is missing",
        "new is not expected",
        "other has changed",
    )


@pytest.mark.parametrize("path", ODD, ids=repr)
def test_a_path_that_leads_out_of_the_folder_or_breaks_the_line_is_refused(path):
    """A list of checksums never names a file outside of its folder."""
    with pytest.raises(ValueError, match="not the path of a file below a folder"):
        manifest.checksum_lines({path: manifest.sha256(b"")})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hello\n", id="no digest"),
        pytest.param(GOOD[1:], id="short digest"),
        pytest.param(GOOD.upper(), id="capitals"),
        pytest.param(GOOD[:-1], id="cut at the end"),
        pytest.param(GOOD + GOOD, id="named twice"),
        pytest.param("".join(reversed(GOOD.splitlines(keepends=True))), id="not sorted"),
        pytest.param(GOOD.replace("  ", " "), id="one space"),
        pytest.param(GOOD.replace("b/c", "../c"), id="leads out"),
    ],
)
def test_damaged_checksum_lines_are_refused(text):
    """Nothing is guessed from half a list."""
    with pytest.raises(ValueError, match="not the"):
        manifest.parse_checksum_lines(text)
