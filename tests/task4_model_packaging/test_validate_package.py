"""A package that differs from its manifest anywhere is refused, by the name of the file."""

import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import model_packaging
from pipeline.base import artifacts, manifest
from pipeline.base.encoding import json_bytes
from pipeline.base.errors import PackageError
from pipeline.packaging import package
from tests import command_line
from tests.task4_model_packaging.conftest import TREE, only_line

SEALED = tuple(name for name in TREE if name != "manifest.json")
FOLDERS = tuple(sorted({str(Path(name).parent) for name in TREE}))
VALIDATE = ("pipeline.model_packaging", "--validate")


def refusal(packager, folder):
    """Return why a package is refused."""
    with pytest.raises(PackageError) as caught:
        packager.validate_package(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def reseal(folder, **about):
    """Write a manifest that agrees with itself and every file, as a forger would."""
    files = artifacts.files_below(folder)
    known = json.loads(files.pop("manifest.json"))
    forged = package.Manifest(**{**known, "files": manifest.digests(files), **about})
    (folder / "manifest.json").write_bytes(json_bytes(forged.sealed()))


def flip(file, position):
    """Flip one bit."""
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def test_a_package_as_it_was_written_is_valid(packager, copied):
    """Wherever its folder lies and whatever it is called; as text or as a path."""
    assert packager.validate_package(copied) == packager.validate_package(str(copied))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(SEALED), share=st.floats(0, 1, exclude_max=True))
def test_a_flipped_bit_is_found(packager, copied, name, share):
    """In any file that the manifest lists, wherever it is."""
    position = int(share * (copied / name).stat().st_size)
    flip(copied / name, position)
    message = refusal(packager, copied)
    flip(copied / name, position)

    assert message == f"{copied}: {name} has changed"


def test_a_flipped_bit_in_the_manifest_is_found(packager, copied):
    """Wherever it is: in a digest, in a figure, in a space."""
    file = copied / "manifest.json"
    for position in range(0, file.stat().st_size, 50):
        flip(file, position)
        assert "manifest.json" in refusal(packager, copied)
        flip(file, position)


def test_a_missing_file_is_named(packager, copied):
    """Each of them; without its manifest a folder is no package."""
    for name in TREE:
        content = (copied / name).read_bytes()
        (copied / name).unlink()
        assert name in refusal(packager, copied)
        (copied / name).write_bytes(content)


@pytest.mark.parametrize("place_below", FOLDERS)
def test_an_extra_file_is_named_in_any_folder(packager, copied, place_below):
    """A hidden one here, as an editor or a system leaves it."""
    (copied / place_below / ".extra").write_bytes(b"")

    name = (Path(place_below) / ".extra").as_posix()
    assert refusal(packager, copied) == f"{copied}: {name} is not expected"


def test_an_empty_folder_changes_nothing(packager, copied):
    """It holds no file, and no archive carries it."""
    (copied / "model" / "empty").mkdir()

    assert packager.validate_package(copied).version == 1


def test_everything_that_is_wrong_is_named_at_once(packager, copied):
    """A person mends all of it in one go."""
    (copied / "MODEL_CARD.md").unlink()
    (copied / "patient.schema.json").write_bytes(b"{}")
    (copied / "extra").write_bytes(b"")

    message = refusal(packager, copied)

    assert message == (
        f"{copied}: MODEL_CARD.md is missing; extra is not expected; "
        "patient.schema.json has changed"
    )


@pytest.mark.parametrize("name", ["model/model.onnx", "model", "manifest.json"])
def test_a_link_is_refused_by_name(packager, copied, name):
    """Even to equal content: what it points at may change after the check."""
    moved = copied.parent / "moved"
    shutil.move(copied / name, moved)
    (copied / name).symlink_to(moved)

    assert f"remove {copied / name}" in refusal(packager, copied)


def test_a_key_that_no_manifest_has_is_named(packager, copied):
    """A later format is not half understood."""
    content = (copied / "manifest.json").read_bytes()
    (copied / "manifest.json").write_bytes(content.replace(b"{", b'{"signature": "x",', 1))

    assert "signature" in refusal(packager, copied)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "model/../../outside"])
def test_a_manifest_that_lists_a_file_outside_reads_nothing_there(packager, copied, name):
    """The file is there, and still counts as missing."""
    (copied.parent / "outside").write_bytes(b"")
    known = json.loads((copied / "manifest.json").read_bytes())["files"]
    reseal(copied, files={**known, name: manifest.sha256(b"")})

    assert refusal(packager, copied) == f"{copied}: {name} is missing"


@pytest.fixture
def other(trained, packager, copied):
    """Return a model of another family than the package's."""
    family = packager.validate_package(copied).family
    return next(model for name, model in trained.items() if name != family)


def test_a_swapped_onnx_model_is_found_by_the_golden_patients(packager, copied, other):
    """Its digest in the manifest was swapped too."""
    (copied / "model" / "model.onnx").write_bytes(other.onnx)
    reseal(copied)

    assert "golden patient model/model.onnx is" in refusal(packager, copied)


@pytest.mark.parametrize("folder", ["model", "model/mlflow"])
def test_each_skops_file_is_the_one_that_the_model_digest_names(packager, copied, other, folder):
    """A manifest whose list agrees with the files is not enough."""
    (copied / folder / "model.skops").write_bytes(other.skops)
    reseal(copied)

    assert refusal(packager, copied) == f"{copied}: {folder}/model.skops has changed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage" * 9,
        lambda model: model[:-50],
        lambda model: b"patientz".join(model.split(b"patients")),
    ],
    ids=["empty", "garbage", "truncated", "another input"],
)
def test_a_damaged_onnx_model_is_one_line(packager, copied, content):
    """Although its digest is the manifest's."""
    file = copied / "model" / "model.onnx"
    file.write_bytes(content if isinstance(content, bytes) else content(file.read_bytes()))
    reseal(copied)

    assert "the golden patients get no answer" in refusal(packager, copied)


def test_golden_patients_that_prove_nothing_are_refused(packager, copied):
    """No patient is no proof."""
    (copied / "golden_patients.json").write_bytes(b'{"patients": []}')
    reseal(copied)

    assert re.search("the golden patients get no answer: .*too_short", refusal(packager, copied))


def test_a_package_that_never_had_golden_patients_is_refused(packager, copied):
    """Although nothing is missing that its manifest lists."""
    (copied / "golden_patients.json").unlink()
    reseal(copied)

    assert refusal(packager, copied) == f"{copied} holds no golden_patients.json"


def test_a_changed_golden_answer_is_found(packager, copied):
    """The models answer as they did, so the patient's answer is wrong."""
    file = copied / "golden_patients.json"
    golden = json.loads(file.read_bytes())
    golden["patients"][3]["probability"] += 2e-5
    file.write_bytes(json_bytes(golden))
    reseal(copied)

    assert "on a golden patient model/model.onnx is 2e-05 off" in refusal(packager, copied)


def test_a_folder_that_is_no_package_is_named(packager, place):
    """And what is missing in it."""
    assert refusal(packager, place / "data") == (
        f"{place / 'data'} holds no manifest.json: it is not a package"
    )


@pytest.mark.parametrize("name", ["nowhere", "config.yaml"])
def test_a_path_that_is_no_folder_is_named(packager, place, name):
    """Whether there is a file or nothing."""
    assert refusal(packager, place / name) == (
        f"{place / name} is not a folder: name the folder of a package"
    )


def test_the_command_validates_a_package_without_a_registry(copied, place, monkeypatch, capsys):
    """It writes nothing: no package, no registry."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    before = artifacts.files_below(place)

    model_packaging.main(validate=copied)

    assert f"{len(SEALED)}, every sha256 checked" in capsys.readouterr().out
    assert artifacts.files_below(place) == before


def test_the_command_names_what_is_wrong_and_ends_with_exit_code_1(copied):
    """In one line."""
    (copied / "MODEL_CARD.md").write_text("better")

    done = command_line.call(*VALIDATE, "copied")

    assert only_line(done) == "error: copied: MODEL_CARD.md has changed\n"
