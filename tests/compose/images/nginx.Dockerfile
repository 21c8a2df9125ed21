# Stands in for the nginx image.
FROM debian:12-slim
RUN apt-get update -q && apt-get install -q -y --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
