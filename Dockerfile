# docker build -t slate .    then see compose.yaml, or:
# docker run -p 8000:8000 -e DATABASE_URL=postgres://... slate
FROM ghcr.io/amacneil/dbmate:2.36.0@sha256:520c740c6e0ad73fde2cd1ea7e2b779aaf789d22aca8858f87a478e7094535fb AS dbmate

FROM docker.io/denoland/deno:2.9.6@sha256:2014dc167ece617ef7e7ba40631ac2234c59e75ce693e7cc2dc2602b3c87859d AS build
ENV DENO_DIR=/var/cache/deno
WORKDIR /app
COPY . .
# All that the app and its tools import, so that a container fetches nothing when it starts: without
# what only the client imports, without the programs that a clone gets from npm (Deno looks for
# their manifests), and without the types. The runs write down what was compiled, which makes the
# starts faster; main.ts ends by its missing settings. At last it is moved out of SQLite's logs, which
# would hold it twice. They stay, empty: who may not write here could not open it without them.
RUN deno remove openapi-fetch \
  && deno cache --frozen main.ts permissions.ts migrate/main.ts migrate/commands/*.ts \
    migrate.config.ts tasks/key.ts \
  && cd $DENO_DIR/npm/* \
  && find @embedded-postgres @dbmate -type f ! -name package.json -delete \
  && find . -type f -regex '.*\.\([cm]?ts\|map\|md\)' -delete \
  && chmod -R go-w . \
  && cd /app \
  && deno run --v8-flags=--liftoff-only --cached-only --frozen --allow-all migrate/main.ts \
    up --help > /dev/null \
  && ! deno run --cached-only --frozen --allow-env --allow-read permissions.ts 2> /dev/null \
  && ! deno run --cached-only --frozen --allow-env --allow-read main.ts 2> /dev/null \
  && cd $DENO_DIR \
  && DENO_DIR=/tmp/deno deno eval "import { DatabaseSync } from 'node:sqlite'; \
    for (const { name } of Array.from(Deno.readDirSync('.'))) \
      if (name.endsWith('_v2')) new DatabaseSync(name).exec('pragma wal_checkpoint(truncate)'); \
    Deno.exit();"

FROM docker.io/denoland/deno:2.9.6@sha256:2014dc167ece617ef7e7ba40631ac2234c59e75ce693e7cc2dc2602b3c87859d
LABEL org.opencontainers.image.title="Slate" \
  org.opencontainers.image.description="A todo API for people who teach" \
  org.opencontainers.image.licenses="MIT"
ENV DENO_DIR=/var/cache/deno DENO_NO_UPDATE_CHECK=1 DBMATE_BIN=/usr/local/bin/dbmate HOST=0.0.0.0 PORT=8000
COPY --from=dbmate /usr/local/bin/dbmate /usr/local/bin/dbmate
# Root's, so that the account that serves can change neither the code nor what was compiled of it;
# some packages come with files that everybody may write.
COPY --from=build --chown=root:root /var/cache/deno /var/cache/deno
COPY --from=build --chown=root:root /app /app
WORKDIR /app
USER deno
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["deno", "eval", \
  "Deno.exit((await fetch(`http://127.0.0.1:${Deno.env.get('PORT')}/api/health/live`)).ok ? 0 : 1)"]
ENTRYPOINT ["/app/entrypoint.sh"]
