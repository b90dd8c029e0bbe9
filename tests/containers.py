"""What tests of images share: a real registry of images, and what to do without one."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest


def needs(reason):
    """Skip the test for want of a component; where CI is set, all of them must be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port():
    """Return a port that nobody listens at."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


@contextmanager
def registry_of_images(folder):
    """Run an empty registry, which keeps its images in ``folder``, and return its address."""
    program = shutil.which("docker-registry")
    if program is None:
        needs("docker-registry is not installed: it is a package of Debian")
    port = free_port()
    settings = folder / "registry.yml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen([program, "serve", settings], stdout=log, stderr=log)
    try:
        for _ in range(200):
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
