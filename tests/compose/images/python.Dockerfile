# Stands in for python:3.11-slim: Debian 12's Python, whose pip trusts what the machine that builds it trusts.
FROM debian:12-slim
RUN apt-get update -q && apt-get install -q -y --no-install-recommends python3 python3-pip && rm -rf /var/lib/apt/lists/*
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV PIP_BREAK_SYSTEM_PACKAGES=1 PIP_CERT=/etc/ssl/certs/ca-certificates.crt PIP_DEFAULT_TIMEOUT=180 PIP_NO_BUILD_ISOLATION=1
