# The base of every recipe; each run has its own, so that no layer of an earlier run is found again.
ARG BASE_IMAGE

FROM ${BASE_IMAGE}
ARG RUN
LABEL heart-disease-bench=${RUN}
# What Docker's own Python images have, and a plain Debian has not: a `python`, and an apt that keeps
# nothing it does not need.
RUN command -v python || ln -s "$(command -v python3)" /usr/local/bin/python; \
    printf '%s\n' 'APT::Keep-Downloaded-Packages "false";' 'Acquire::GzipIndexes "true";' \
      'Acquire::Languages "none";' 'Dir::Cache { pkgcache ""; srcpkgcache ""; };' \
      > /etc/apt/apt.conf.d/99keep-nothing
# Every installer trusts what the base trusts, also behind a proxy with a certificate of its own.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
