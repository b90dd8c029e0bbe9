"""An MLflow server with accounts, as its admin: experiments, models, users and their grants."""

from http import HTTPStatus
from typing import Any, Final

from pipeline.base.addresses import shown
from pipeline.base.errors import RegistryError
from pipeline.base.rest import Response, Server
from pipeline.team_server.access import ADMIN, Grant

_API: Final = "api/2.0/mlflow"
_API_3: Final = "api/3.0/mlflow"


class MlflowAdmin:
    """The server at one address, asked with the admin's password."""

    def __init__(self, address: str, password: str) -> None:
        """Ask nothing yet."""
        self._address = address.rstrip("/")
        self._auth = (ADMIN, password)
        self._server = Server(f"the server at {shown(self._address)}", RegistryError)

    def knows(self, user: str, password: str) -> bool:
        """Say whether the server lets a user in with a password."""
        address = f"{self._address}/{_API}/users/current"
        refused = HTTPStatus.UNAUTHORIZED
        return self._server.ask("GET", address, [refused], auth=(user, password)).ok

    def ensure_experiment(self, name: str) -> str:
        """Create an experiment unless it is there, and return its number."""
        self._create("experiments/create", name=name)
        found = self._ask("GET", "experiments/get-by-name", params={"experiment_name": name})
        return str(found.json()["experiment"]["experiment_id"])

    def ensure_model(self, name: str) -> None:
        """Create a registered model unless it is there."""
        self._create("registered-models/create", name=name)

    def ensure_user(self, user: str, password: str) -> bool:
        """Let a user in with this password and no other; say whether that was news."""
        if self.knows(user, password):
            return False
        if not self._create("users/create", username=user, password=password):
            self.set_password(user, password)
        return True

    def set_password(self, user: str, password: str, current: str = "") -> None:
        """Give a user another password; the admin's own must come with the ``current`` one."""
        content = {"username": user, "password": password}
        content |= {"current_password": current} if current else {}
        self._ask("PATCH", "users/update-password", json=content)

    def grants(self, user: str) -> tuple[Grant, ...]:
        """Return what a user has been granted."""
        found = self._ask("GET", "users/permissions/list", _API_3, params={"username": user})
        return tuple(
            Grant(
                kind=one["resource_type"],
                resource=one["resource_pattern"],
                permission=one["permission"],
            )
            for one in found.json()["permissions"]
        )

    def grant(self, user: str, grant: Grant) -> None:
        """Let a user do something."""
        content = {**_resource(user, grant), "permission": grant.permission}
        self._ask("POST", "users/permissions/grant", _API_3, json=content)

    def revoke(self, user: str, grant: Grant) -> None:
        """Let a user no longer do something."""
        self._ask("POST", "users/permissions/revoke", _API_3, json=_resource(user, grant))

    def _create(self, what: str, **content: str) -> bool:
        """Say whether it was made; it was there already when not."""
        made = self._ask("POST", what, expected=[HTTPStatus.BAD_REQUEST], json=content)
        if not made.ok and made.json().get("error_code") != "RESOURCE_ALREADY_EXISTS":
            raise RegistryError(f"{self._server.name} refused: {made.json().get('message')}")
        return made.ok

    def _ask(
        self, method: str, what: str, api: str = _API, expected: Any = (), **content: Any
    ) -> Response:
        address = f"{self._address}/{api}/{what}"
        return self._server.ask(method, address, expected, auth=self._auth, **content)


def _resource(user: str, grant: Grant) -> dict[str, str]:
    return {"username": user, "resource_type": grant.kind, "resource_id": grant.resource}
