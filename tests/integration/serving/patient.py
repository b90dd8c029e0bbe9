"""The service as it is, but one that lets requests under way take a minute when it stops."""

from pipeline.serving import server
from pipeline.serving.__main__ import main

server.FINISH_SECONDS = 60

if __name__ == "__main__":
    main()
