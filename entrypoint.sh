#!/bin/sh
# The container's start: check the settings, wait for the database, migrate under the lock, serve.
# Replicas may start at once. A stop signal is obeyed in every phase. While serving, Deno itself is
# process 1 and gets the signals.
set -euf
cd "$(dirname "$0")"
trap 'exit 143' TERM INT

# Reads every name of the environment, to say which of Slate's are unknown. The process that serves
# gets exactly the permissions that this one prints.
permissions=$(deno run --cached-only --frozen --no-prompt --allow-env --allow-read permissions.ts)

deno run --v8-flags=--liftoff-only --cached-only --frozen --no-prompt \
  --allow-net --allow-env --allow-read --allow-write="${TMPDIR:-/tmp}" \
  --allow-run="$DBMATE_BIN" migrate/main.ts up --wait &
migration=$!
stopped=
trap 'stopped=1; kill -TERM "$migration" 2>/dev/null || true' TERM INT

# A signal ends the first wait. The migration stops in its own way and is waited for.
code=0
wait "$migration" || code=$?
while kill -0 "$migration" 2>/dev/null; do
  code=0
  wait "$migration" || code=$?
done
[ -z "$stopped" ] || exit 143
[ "$code" -eq 0 ] || exit "$code"
trap - TERM INT

# A collector tells replicas apart by it: the host's name is the container's own.
case ${OTEL_RESOURCE_ATTRIBUTES-} in
  *service.instance.id=*) ;;
  *)
    attributes=${OTEL_RESOURCE_ATTRIBUTES:+$OTEL_RESOURCE_ATTRIBUTES,}service.instance.id=$(uname -n)
    export OTEL_RESOURCE_ATTRIBUTES="$attributes"
    ;;
esac

# The right to change the schema ends here. A small nursery for new objects (in MB) and a collection
# of the old ones as soon as they are twice what was left of them (100 % more; V8's own bound is four
# times) keep the process at 135 MB under load instead of 190, and it is as fast. What it grew to
# stays its own: V8 would give a part back after seconds without load, and the next second would cost
# a fifth more.
unset MIGRATION_DATABASE_URL
IFS='
'
# shellcheck disable=SC2086 # a flag a line
exec deno run --v8-flags=--max-semi-space-size=4,--heap-growing-percent=100,--no-memory-reducer \
  --cached-only --frozen --no-prompt $permissions main.ts
