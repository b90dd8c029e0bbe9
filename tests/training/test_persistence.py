"""Models as files: the same bytes for the same training, and nothing that runs when loaded."""

import io
import json
import pickletools
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import make_pipeline

from pipeline.base.names import FAMILIES
from pipeline.evaluation import cross_validation
from pipeline.training import persistence
from pipeline.training.blocks import MaskingPipeline, ShareOfPrediction
from tests.model_files import loaded

every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def dumped(fitted):
    """Return each family's model file."""
    return {family: persistence.dump(pipeline) for family, pipeline in fitted.items()}


def members(content):
    """Return the members of a zip archive, and their content by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.infolist(), {name: archive.read(name) for name in archive.namelist()}


@every_family
def test_a_loaded_model_answers_as_the_one_that_was_dumped(fitted, dumped, patients, family):
    """Bit for bit."""
    again = loaded(dumped[family])

    assert (
        cross_validation.probability(again, patients)
        == cross_validation.probability(fitted[family], patients)
    ).all()


@every_family
def test_a_loaded_model_can_sit_the_exam_again(dumped, training, plan, answers, family):
    """The champion is fitted anew in every fold, and answers as it did."""
    model = {family: loaded(dumped[family])}

    again = cross_validation.cross_validate(model, training, plan, 1)[family]

    before = answers[family].query("repeat == 0")
    assert (again["probability"] == before["probability"]).all()


@every_family
def test_the_same_training_gives_the_same_bytes(build, training, dumped, family):
    """So that a sha256 identifies a model."""
    assert persistence.dump(cross_validation.fit(build(family), training)) == dumped[family]


@every_family
def test_dumping_the_same_model_twice_gives_the_same_bytes(fitted, dumped, family):
    """Dumping changes nothing in the model."""
    assert persistence.dump(fitted[family]) == dumped[family]


def test_another_model_gives_other_bytes(build, training, dumped):
    """One patient fewer is another model."""
    other = cross_validation.fit(build("logistic_regression"), training.iloc[1:])

    assert persistence.dump(other) != dumped["logistic_regression"]


def test_skops_alone_would_not_give_the_same_bytes(build, training):
    """The rewriting is needed: memory addresses differ from training to training."""
    first, second = (cross_validation.fit(build("logistic_regression"), training) for _ in range(2))

    assert skops.io.dumps(first) != skops.io.dumps(second)


def test_whether_two_equal_numbers_are_one_object_changes_no_byte():
    """Python shares some and not others, as it happens to come."""
    one, other = float("220"), float("220")
    shared = make_pipeline(ShareOfPrediction(one), ShareOfPrediction(one))
    apart = make_pipeline(ShareOfPrediction(one), ShareOfPrediction(other))

    assert one is not other
    assert persistence.dump(shared) == persistence.dump(apart)


@every_family
def test_entries_have_a_fixed_time_and_are_stored(dumped, family):
    """Neither the clock nor a version of zlib is in the bytes."""
    entries, _ = members(dumped[family])

    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


@every_family
def test_entries_are_arrays_under_running_numbers_and_one_schema(dumped, family):
    """No name is made from a memory address."""
    entries, _ = members(dumped[family])

    arrays = [f"{number}.npy" for number in range(1, len(entries))]
    assert [entry.filename for entry in entries] == [*arrays, "schema.json"]


@every_family
def test_no_entry_is_a_pickle(dumped, family):
    """Neither a member by itself nor an array of objects, which numpy would unpickle."""
    _, files = members(dumped[family])
    schema = json.loads(files.pop("schema.json"))

    for content in files.values():
        assert content.startswith(b"\x93NUMPY")
        assert np.load(io.BytesIO(content), allow_pickle=False).dtype != object
        with pytest.raises(ValueError, match="opcode"):
            list(pickletools.genops(content))
    assert schema["__class__"] == "Pipeline"


@every_family
def test_every_type_of_a_model_is_trusted_by_name(dumped, family):
    """Asked for what it does not know, skops names none that is not in our own list."""
    unknown = skops.io.get_untrusted_types(data=dumped[family])

    assert set(unknown) <= set(persistence.TRUSTED_TYPES)


def test_no_type_is_trusted_that_no_model_has(dumped):
    """The list is as short as it can be, but for the names in models that were stored earlier."""
    # A model is of this type where fields are declared that patients come without.
    masking = persistence.dump(MaskingPipeline([("features", "passthrough")]))
    needed = {
        name
        for content in (*dumped.values(), masking)
        for name in skops.io.get_untrusted_types(data=content)
    }

    assert needed | set(persistence.OLD_NAMES) == set(persistence.TRUSTED_TYPES)
