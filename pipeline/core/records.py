"""The base of every value that crosses a border between modules or is written to a file."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen, strict value: an unknown key is an error that carries the key's name."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
