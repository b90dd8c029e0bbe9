"""The settings of the registry, which is a file or a server, and of the branch in its place."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field

from pipeline.base import addresses
from pipeline.base.errors import SettingsError
from pipeline.base.policies import RetentionPolicy, RetryPolicy
from pipeline.base.records import Record


class RegistrySettings(Record):
    """The registry of runs and versions."""

    experiment: str
    tracking_uri: Annotated[str, AfterValidator(addresses.registry)]
    retry: RetryPolicy

    @property
    def is_server(self) -> bool:
        """Say whether the registry answers at an address, rather than being a file here."""
        return addresses.database(self.tracking_uri) is None

    def at(self, address: str) -> Self:
        """Return these settings for the registry at another address.

        Raises:
            SettingsError: the address is not one of a registry.

        """
        try:
            return self.model_copy(update={"tracking_uri": addresses.registry(address)})
        except ValueError as error:
            raise SettingsError(str(error)) from None


class RegistryBranchSettings(Record):
    """The branch that is the registry if there is no server, and the files it keeps."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    attempts: Annotated[int, Field(ge=1)]
    attested_within: Annotated[float, Field(ge=0)]
    trusted: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    keep: RetentionPolicy
