"""A stand-in for the database at osv.dev, because it cannot be had offline.

It answers ``POST /v1/querybatch``, the one call that is made, as the real one does: a list of
vulnerabilities for each package, empty objects for those without. By itself, for OSV_URL:

    python -m tests.osv_api --port 8081
"""

import argparse
import json
from http.server import ThreadingHTTPServer

from tests import stand_ins


class Server(ThreadingHTTPServer):
    """The stand-in at a port of this machine; ``known`` are vulnerabilities by package."""

    def __init__(self, port: int = 0) -> None:
        """Listen."""
        super().__init__(("127.0.0.1", port), Handler)
        self.known: dict[str, list[str]] = {}
        self.asked: list[dict[str, str]] = []
        # Statuses to answer with first, and a content to answer with instead.
        self.troubles: list[int] = []
        self.instead: object = None

    @property
    def url(self) -> str:
        """Return the value for OSV_URL."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(stand_ins.Handler):
    """One request after the other."""

    server: Server

    def answer(self) -> None:
        """Answer a query."""
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if (self.command, self.path) != ("POST", "/v1/querybatch"):
            return self._say(404, {"message": "Not Found"})
        if self.server.troubles:
            return self._say(self.server.troubles.pop(0), {"message": "trouble"})
        queries = json.loads(sent)["queries"]
        self.server.asked += [one["package"] | {"version": one["version"]} for one in queries]
        names = (self.server.known.get(one["package"]["name"], []) for one in queries)
        found = [{"vulns": [{"id": name} for name in each]} if each else {} for each in names]
        instead = self.server.instead
        return self._say(200, {"results": found} if instead is None else instead)

    def _say(self, status: int, content: object) -> None:
        answer = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def serving():
    """Serve while the block runs."""
    return stand_ins.serving(Server())


def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    with Server(parser.parse_args().port) as server:
        print(server.url, flush=True)  # noqa: T201 (the caller reads it)
        server.serve_forever()


if __name__ == "__main__":
    main()
