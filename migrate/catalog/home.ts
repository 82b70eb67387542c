import { bookkeeping } from "./bookkeeping.ts";

/**
 * The CTE `home`: the role that migrates, which is called differently on each server. It owns the
 * record of migrations; else it is who is asking, if the database or a part of it is theirs; else
 * it owns most.
 */
export const home = `
home as materialized (
  select coalesce(
    (select relowner from pg_class where relname = '${bookkeeping[0]}' and relkind = 'r'
      order by oid limit 1),
    (select r.oid from pg_roles r where rolname = current_user and (
      exists (select from pg_database where datname = current_database() and datdba = r.oid)
      or exists (select from pg_class where relowner = r.oid and oid >= 16384))),
    (select relowner from pg_class where oid >= 16384 group by relowner
      order by count(*) desc, relowner limit 1)) as oid
)`;
