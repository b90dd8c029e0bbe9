"""Settings: ``config.yaml``, overridden by environment variables. The one reader of both.

``PIPELINE__<SECTION>__<KEY>`` overrides a value of the file, ``MLFLOW_TRACKING_URI`` the
registry's address. A key or a variable that no setting knows stops the run with its name.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_origin

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import (
    SettingsError as SettingsException,
)

from pipeline.base import addresses
from pipeline.base.errors import SettingsError
from pipeline.base.policies import (
    DownloadPlan,
    EvaluationPlan,
    FeatureNumbers,
    FieldsLeftOut,
    ModelParameters,
    PackagingPlan,
    PromotionPolicy,
    ThresholdRule,
)
from pipeline.base.records import Record
from pipeline.base.registry_settings import RegistryBranchSettings, RegistrySettings

FILE: Final = Path("config.yaml")
# Kubernetes tells each pod of every Service in variables such as HEART_DISEASE_PORT. A dash becomes
# an underscore there: only a Service with two dashes in a row could seem to be a setting.
PREFIX: Final = "PIPELINE__"
FORMER_PREFIX: Final = "HEART_DISEASE_"
TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
IMAGE_REGISTRY: Final = "REGISTRY"
VULNERABILITIES: Final = "OSV_URL"

Section = TypeVar("Section", bound=Record)


def _some(workers: int) -> int:
    if workers == 0:
        raise ValueError("is a number of processes, or -1 for every core")
    return workers


def _in_its_place(parameters: Any) -> Any:
    """Let variables, which come last and have neither case nor type, change the file's values."""
    if not isinstance(parameters, dict):
        return parameters
    names: dict[str, str] = {}
    return {
        names.setdefault(str(name).casefold(), name): _read(value)
        for name, value in parameters.items()
    }


def _read(value: Any) -> Any:
    """Return the text of a variable as the value that the file would hold."""
    try:
        return yaml.safe_load(value) if isinstance(value, str) else value
    except yaml.YAMLError:
        return value


class Settings(BaseSettings):
    """Every setting of a run, frozen."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
    )

    workers: Annotated[int, Field(ge=-1), AfterValidator(_some)]
    source: DownloadPlan
    features: Annotated[FeatureNumbers, BeforeValidator(_in_its_place)]
    models: ModelParameters
    model_seed: Annotated[int, Field(ge=0, lt=2**32)]
    evaluation: EvaluationPlan
    fields_left_out: FieldsLeftOut
    threshold: ThresholdRule
    ablation_repeats: Annotated[int, Field(ge=1)]
    promotion: PromotionPolicy
    register_overridden: bool
    registry: RegistrySettings
    registry_branch: RegistryBranchSettings
    packaging: PackagingPlan

    @field_validator("models", mode="before")
    @classmethod
    def _each_once(cls, models: Any) -> Any:
        if not isinstance(models, dict):
            return models
        return {family: _in_its_place(parameters) for family, parameters in models.items()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file; read nothing else."""
        del init_settings, dotenv_settings, file_secret_settings
        return env_settings, InitSettingsSource(settings_cls, _content_of_file())


class _FileAlone(Settings):
    """The settings without the environment."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the file alone."""
        return (InitSettingsSource(settings_cls, _content_of_file()),)


class CiRun(BaseSettings):
    """The variables of GitHub Actions about the run it executes; all empty elsewhere."""

    model_config = SettingsConfigDict(env_prefix="GITHUB_", frozen=True)

    server_url: str = ""
    repository: str = ""
    run_id: str = ""
    ref: str = ""
    sha: str = ""
    actor: str = ""
    token: str = Field("", repr=False)
    api_url: str = "https://api.github.com"
    # Files that a step may add lines to: its outputs, and the summary on the run's page.
    output: str = ""
    step_summary: str = ""

    def must_have(self, *names: str) -> None:
        """Refuse to go on without some of these values.

        Raises:
            SettingsError: one is missing, or the token would go to another server than issued it;
                the message names the variable.

        """
        if missing := [f"GITHUB_{name.upper()}" for name in names if not getattr(self, name)]:
            raise SettingsError(
                f"{' and '.join(missing)} must be set: GitHub Actions does it, or export them"
            )
        server = self.server_url or "https://github.com"
        if "token" in names and not addresses.is_api_of(self.api_url, server):
            raise SettingsError(
                f"GITHUB_API_URL, {addresses.shown(self.api_url)}, is not the API of "
                f"{addresses.shown(server)}, whose token it would get: set GITHUB_SERVER_URL too"
            )

    @property
    def url(self) -> str:
        """Return the address of the run's page, or nothing outside of CI."""
        return f"{self.source}/actions/runs/{self.run_id}" if self.run_id else ""

    @property
    def source(self) -> str:
        """Return the address of the repository, or nothing outside of CI."""
        return f"{self.server_url}/{self.repository}" if self.repository else ""


def load() -> Settings:
    """Read the settings of the repository in the current folder.

    Raises:
        SettingsError: no ``config.yaml`` here, or a key or value that no setting accepts; the
            message names each of them.

    """
    _refuse_unknown_variables()
    settings = _valid(Settings)
    server = os.environ.get(TRACKING_URI)
    if not server:
        return settings
    return settings.model_copy(update={"registry": settings.registry.at(server)})


def load_file() -> Settings:
    """Read the settings as ``config.yaml`` has them, whatever the variables say.

    Raises:
        SettingsError: as `load`, about the file alone.

    """
    return _valid(_FileAlone)


def _valid(kind: type[Settings]) -> Settings:
    try:
        return kind()
    except ValidationError as error:
        raise _refusal(error) from None
    except SettingsException as error:
        raise SettingsError(f"in {PREFIX}* variables: {error}") from None


def section(name: str, values: Mapping[str, Any], kind: type[Section]) -> Section:
    """Return the values of a section as a record that another room defines.

    Raises:
        SettingsError: the record does not accept them; the message names each key.

    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _refusal(error, name) from None


def image_registry() -> str:
    """Return the host of the registry that releases are pushed to."""
    return os.environ.get(IMAGE_REGISTRY) or "ghcr.io"


def vulnerabilities_url() -> str:
    """Return the address of the database of known vulnerabilities, or of its mirror."""
    return os.environ.get(VULNERABILITIES) or "https://api.osv.dev"


def _content_of_file() -> dict[str, Any]:
    if not FILE.is_file():
        raise SettingsError(
            f"no {FILE} in {FILE.absolute().parent}: run from the root of the repository"
        )
    try:
        with FILE.open("rb") as file:
            content = yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise SettingsError(f"{FILE} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{FILE} holds no settings: it must be lines of `key: value`")
    return content


def _refuse_unknown_variables() -> None:
    names = sorted(os.environ)
    if meant := [f"write {PREFIX}{it} for {name}" for name in names if (it := _meant(name))]:
        raise SettingsError(f"settings begin with {PREFIX}: {', '.join(meant)}")
    given = [name for name in names if name.upper().startswith(PREFIX)]
    if unknown := [name for name in given if not _is_known(name.upper().removeprefix(PREFIX))]:
        known = ", ".join(f"{PREFIX}{name}".upper() for name in Settings.model_fields)
        raise SettingsError(f"no setting is named {', '.join(unknown)}; known: {known}")


def _meant(variable: str) -> str | None:
    """Return the variable meant by one with the former prefix, or with an underscore too few."""
    name = variable.upper()
    if name.startswith(FORMER_PREFIX):
        setting = name.removeprefix(FORMER_PREFIX).lstrip("_")
    # Without a key, PIPELINE_SOURCE may well be another program's.
    elif name.startswith("PIPELINE_") and "__" in name:
        setting = name.removeprefix("PIPELINE_")
    else:
        return None
    return setting if _is_known(setting) else None


def _is_known(setting: str) -> bool:
    section, *keys = setting.lower().split("__")
    if section not in Settings.model_fields:
        return False
    kind = Settings.model_fields[section].annotation
    # Pydantic refuses a wrong key below a section; one below a single value it would ignore.
    below = (isinstance(kind, type) and issubclass(kind, Record)) or get_origin(kind) is dict
    return not keys or below


def _refusal(error: ValidationError, *above: str) -> SettingsError:
    breaches = "; ".join(
        f"{'.'.join(map(str, (*above, *each['loc'])))}: {each['msg']}" for each in error.errors()
    )
    return SettingsError(f"in {FILE} or {PREFIX}* variables: {breaches}")
