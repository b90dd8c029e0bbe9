"""What the stand-ins for servers of others share: a port, silence, and a time to live."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler


class Handler(BaseHTTPRequestHandler):
    """Answers every method by `answer`, and says nothing about it."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def answer(self) -> None:
        """Answer one request; ``self.command`` is its method."""
        raise NotImplementedError

    def _each(self) -> None:
        self.answer()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _each  # noqa: N815 (http.server's)


@contextmanager
def serving(server):
    """Serve while the block runs."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
