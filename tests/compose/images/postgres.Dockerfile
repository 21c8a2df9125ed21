# Stands in for the postgres:15 image: the same variables, files for secrets, init scripts and volume.
FROM debian:12-slim
RUN apt-get update -q && \
    apt-get install -q -y --no-install-recommends postgresql-common && \
    sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf && \
    apt-get install -q -y --no-install-recommends postgresql-15 && \
    rm -rf /var/lib/apt/lists/* && \
    install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data && \
    install -d -o postgres -g postgres /docker-entrypoint-initdb.d
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
COPY postgres-entrypoint.sh /usr/local/bin/
USER postgres
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["postgres-entrypoint.sh"]
CMD ["postgres"]
