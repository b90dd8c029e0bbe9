"""Every row of the table of rights in docs/team-server.md, as a request that can be sent."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

OWN, FOREIGN = "heart_disease", "foreign_model"
FILE = b"a file of a model"
API, API_3 = "/api/2.0/mlflow/", "/api/3.0/mlflow/"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
PRESIGNED = "/api/2.0/mlflow-artifacts/presigned"
PARTS = "/api/2.0/mlflow-artifacts/mpu/create"
JSON = {"Content-Type": "application/json"}


@dataclass
class World:
    """What is at the server, as its admin sees it, and ways to make more for one request."""

    address: str
    passwords: dict[str, str]
    experiment: dict[str, str] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    run_id: dict[str, str] = field(default_factory=dict)

    def send(self, role, method, path, **content):
        """Send a request as somebody, or as nobody."""
        auth = (role, self.passwords[role]) if role else None
        return requests.request(method, self.address + path, auth=auth, timeout=60, **content)

    def ask(self, method, what, **content):
        """Send a request as the admin, who gets what he asks for."""
        answer = self.send("admin", method, API + what, **content)
        assert answer.ok, f"{what}: {answer.text}"
        return answer.json()

    def fill(self):
        """Make an own and a foreign experiment, run, file and model."""
        for name, experiment in ((OWN, "heart-disease"), (FOREIGN, "foreign")):
            found = self.send(
                "admin", "GET", f"{API}experiments/get-by-name?experiment_name={experiment}"
            )
            self.experiment[name] = (
                found.json()["experiment"]["experiment_id"]
                if found.ok
                else self.ask("POST", "experiments/create", json={"name": experiment})[
                    "experiment_id"
                ]
            )
            self.run_id[name], self.source[name] = self.run(name)
            path = f"{PROXY}{self.folder(name)}/model.onnx"
            assert self.send("admin", "PUT", path, data=FILE).ok
            if name == FOREIGN:
                self.ask("POST", "registered-models/create", json={"name": name})

    def folder(self, name):
        """Return where the files of a run are, as the proxy calls it."""
        return self.source[name].removeprefix("mlflow-artifacts:")

    def run(self, name):
        """Make a run in the experiment of a model and return its number and its folder."""
        made = self.ask("POST", "runs/create", json={"experiment_id": self.experiment[name]})
        return made["run"]["info"]["run_id"], made["run"]["info"]["artifact_uri"]

    def version(self, name):
        """Make a version of a model, whose file is there."""
        content = {"name": name, "source": self.source[name], "run_id": self.run_id[name]}
        made = self.ask("POST", "model-versions/create", json=content)
        return made["model_version"]["version"]

    def model(self, name=None):
        """Make a registered model; without a name, of a name that nobody has."""
        name = name or new("model")
        self.ask("POST", "registered-models/create", json={"name": name})
        return name

    def user(self):
        """Make a user of a name that nobody has."""
        name = new("user")
        self.ask("POST", "users/create", json={"username": name, "password": "a-long-password"})
        return name


def new(kind):
    """Return a name that nobody has."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@dataclass(frozen=True)
class Route:
    """A request; ``content`` makes what it needs and returns it for one role."""

    what: str
    method: str
    path: str
    content: Callable = lambda _world, _role: {}
    to: Callable = lambda _world, _role: ""
    undo: Callable = lambda _world: None

    @property
    def request(self):
        """Return the request as the table shows it."""
        return f"`{self.method} {self.path}`"

    def send(self, world, role):
        """Send it as somebody, and return the status of the answer."""
        content = self.content(world, role)
        path = self.path + self.to(world, role)
        answer = world.send(role, self.method, path, allow_redirects=False, **content)
        if answer.ok:
            self.undo(world)
        return answer.status_code


def body(make):
    """Send what ``make`` returns as JSON."""
    return lambda world, role: {"json": make(world, role)}


def query(make):
    """Send what ``make`` returns in the address."""
    return lambda world, role: {"params": make(world, role)}


def file(name):
    """Return the path of a file of a run of the own or the foreign experiment."""
    return lambda world, _role: f"{world.folder(name)}/model.onnx"


def version_of(name, **more):
    """Return a new version's name and number, and what is to be done with it."""
    return lambda world, _role: {"name": name, "version": world.version(name), **more}


def of(name):
    """Return the routes that there are for an own model, and likewise for a foreign one."""
    kind = "an own" if name == OWN else "a foreign"
    run = lambda world, _: {"run_id": world.run_id[name]}  # noqa: E731
    source = lambda world, _: {  # noqa: E731
        "name": name,
        "source": world.source[name],
        "run_id": world.run_id[name],
    }
    return [
        Route(
            f"read {kind} model",
            "GET",
            f"{API}registered-models/get",
            query(lambda *_: {"name": name}),
        ),
        Route(f"read {kind} version", "GET", f"{API}model-versions/get", query(version_of(name))),
        Route(f"download a file of {kind} model", "GET", PROXY, to=file(name)),
        Route(
            f"replace a file of {kind} model", "PUT", PROXY, lambda *_: {"data": FILE}, file(name)
        ),
        Route(f"delete a file of {kind} model", "DELETE", PROXY, to=spare(name)),
        Route(f"ask for a file of {kind} model in its bucket", "GET", PRESIGNED, to=file(name)),
        Route(
            f"store a file of {kind} model in parts",
            "POST",
            PARTS,
            body(lambda *_: {"path": "model.onnx", "num_parts": 1}),
            file(name),
        ),
        Route(f"read {kind} run", "GET", f"{API}runs/get", query(run)),
        Route(
            f"create a run in {kind} experiment",
            "POST",
            f"{API}runs/create",
            body(lambda world, _: {"experiment_id": world.experiment[name]}),
        ),
        Route(
            f"log a metric of {kind} run",
            "POST",
            f"{API}runs/log-metric",
            body(
                lambda world, role: {**run(world, role), "key": "auc", "value": 1, "timestamp": 1}
            ),
        ),
        Route(
            f"delete {kind} run",
            "POST",
            f"{API}runs/delete",
            body(lambda world, _: {"run_id": world.run(name)[0]}),
        ),
        Route(
            f"create a logged model in {kind} experiment",
            "POST",
            f"{API}logged-models",
            body(lambda world, _: {"experiment_id": world.experiment[name], "name": new("model")}),
        ),
        Route(
            f"create a version of {kind} model", "POST", f"{API}model-versions/create", body(source)
        ),
        Route(
            f"tag {kind} version",
            "POST",
            f"{API}model-versions/set-tag",
            body(version_of(name, key="reviewed", value="yes")),
        ),
        Route(
            f"move an alias of {kind} model",
            "POST",
            f"{API}registered-models/alias",
            body(version_of(name, alias="tried")),
        ),
        Route(
            f"delete an alias of {kind} model",
            "DELETE",
            f"{API}registered-models/alias",
            body(lambda *_: {"name": name, "alias": "tried"}),
        ),
        Route(
            f"describe {kind} model",
            "PATCH",
            f"{API}registered-models/update",
            body(lambda *_: {"name": name, "description": "as it was"}),
        ),
        Route(
            f"delete {kind} version",
            "DELETE",
            f"{API}model-versions/delete",
            body(version_of(name)),
        ),
    ]


def spare(name):
    """Return the path of a file that may be deleted."""

    def made(world, _role):
        path = f"{world.folder(name)}/{new('spare')}"
        assert world.send("admin", "PUT", PROXY + path, data=FILE).ok
        return path

    return made


def fleeting(world, role):
    """Name a model that may be deleted: for the admin, who can, one that nobody needs."""
    return {"name": world.model() if role == "admin" else OWN}


def experiment_to_delete(world, role):
    """Name an experiment that may be deleted: for the admin, who can, one that nobody needs."""
    if role != "admin":
        return {"experiment_id": world.experiment[OWN]}
    return {
        "experiment_id": world.ask("POST", "experiments/create", json={"name": new("x")})[
            "experiment_id"
        ]
    }


GRAPHQL = 'query { mlflowGetExperiment(input: {experimentId: "1"}) { experiment { name } } }'

ROUTES = [
    Route("ask whether it lives", "GET", "/health"),
    Route("ask its version", "GET", "/version"),
    Route("ask how it is set up", "GET", f"{API_3}server-info"),
    Route(
        "ask whether it lives, by another host name",
        "GET",
        "/health",
        lambda *_: {"headers": {"Host": "evil.example"}},
    ),
    Route(
        "ask for anything, by another host name",
        "GET",
        f"{API}users/current",
        lambda *_: {"headers": {"Host": "evil.example"}},
    ),
    Route(
        "write from a page of another site",
        "POST",
        f"{API}runs/create",
        lambda world, _: {
            "headers": {"Origin": "https://evil.example"},
            "json": {"experiment_id": world.experiment[OWN]},
        },
    ),
    Route("open the pages", "GET", "/"),
    Route("open the page of metrics", "GET", "/metrics"),
    *of(OWN),
    *of(FOREIGN),
    Route(
        "create a version of an own model from a foreign run",
        "POST",
        f"{API}model-versions/create",
        body(
            lambda world, _: {
                "name": OWN,
                "source": world.source[FOREIGN],
                "run_id": world.run_id[FOREIGN],
            }
        ),
    ),
    Route(
        "create a version of an own model from foreign files, naming no run",
        "POST",
        f"{API}model-versions/create",
        body(lambda world, _: {"name": OWN, "source": world.source[FOREIGN]}),
    ),
    Route("search versions", "GET", f"{API}model-versions/search"),
    Route("search models", "GET", f"{API}registered-models/search"),
    Route(
        "search experiments",
        "GET",
        f"{API}experiments/search",
        query(lambda *_: {"max_results": 10}),
    ),
    Route("ask by GraphQL", "POST", "/graphql", body(lambda *_: {"query": GRAPHQL})),
    Route("list the files of all experiments", "GET", PROXY, query(lambda *_: {"path": ""})),
    Route(
        "store a file outside of every experiment",
        "PUT",
        PROXY,
        lambda *_: {"data": FILE},
        lambda *_: f"/{new('loose')}",
    ),
    Route(
        "create a model",
        "POST",
        f"{API}registered-models/create",
        body(lambda *_: {"name": new("model")}),
    ),
    Route(
        "create a model that is there",
        "POST",
        f"{API}registered-models/create",
        body(lambda *_: {"name": OWN}),
    ),
    Route(
        "rename an own model",
        "POST",
        f"{API}registered-models/rename",
        body(lambda *_: {"name": OWN, "new_name": f"{OWN}_renamed"}),
        undo=lambda world: world.ask(
            "POST", "registered-models/rename", json={"name": f"{OWN}_renamed", "new_name": OWN}
        ),
    ),
    Route("delete an own model", "DELETE", f"{API}registered-models/delete", body(fleeting)),
    Route(
        "create an experiment",
        "POST",
        f"{API}experiments/create",
        body(lambda *_: {"name": new("x")}),
    ),
    Route(
        "delete an own experiment", "POST", f"{API}experiments/delete", body(experiment_to_delete)
    ),
    Route("ask who one is", "GET", f"{API}users/current"),
    Route("list the users", "GET", f"{API}users/list"),
    Route(
        "read what another may do",
        "GET",
        f"{API_3}users/permissions/list",
        query(lambda *_: {"username": "admin"}),
    ),
    Route("open the page that makes users", "GET", "/signup"),
    Route(
        "create a user",
        "POST",
        f"{API}users/create",
        body(lambda *_: {"username": new("user"), "password": "a-long-password"}),
    ),
    Route(
        "change another's password",
        "PATCH",
        f"{API}users/update-password",
        body(lambda world, _: {"username": world.user(), "password": "another-password"}),
    ),
    Route(
        "make a user an admin",
        "PATCH",
        f"{API}users/update-admin",
        body(
            lambda world, role: {
                "username": world.user() if role in {"", "admin"} else role,
                "is_admin": True,
            }
        ),
    ),
    Route(
        "delete a user",
        "DELETE",
        f"{API}users/delete",
        body(lambda world, _: {"username": world.user()}),
    ),
    Route(
        "grant a right",
        "POST",
        f"{API_3}users/permissions/grant",
        body(
            lambda world, role: {
                "username": world.user() if role in {"", "admin"} else role,
                "resource_type": "registered_model",
                "resource_id": FOREIGN,
                "permission": "MANAGE",
            }
        ),
    ),
    Route(
        "create a role",
        "POST",
        f"{API_3}roles/create",
        body(lambda *_: {"name": new("role"), "workspace": "default"}),
    ),
    Route("list the webhooks", "GET", f"{API}webhooks"),
]
