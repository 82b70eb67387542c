import { sql } from "../../postgres/mod.ts";
import type { TestApi } from "./api.ts";

/** So many todos of the first user; half of them due at the same four microseconds. */
export async function fillTodos(api: TestApi, n: number) {
  await api.database.db.query(sql`
    insert into todos (owner_id, description, completed, due_date, created_at, updated_at)
    select
      (select min(id) from users),
      'todo ' || i,
      i % 3 = 0,
      case i % 4
        when 0 then null
        when 1 then timestamptz '2030-01-01 00:00:00.000001Z' + make_interval(secs => i % 4 / 1e6)
        else timestamptz '2030-01-01Z' + make_interval(secs => (i * 7919 % 1000) / 1e6)
      end,
      now(),
      timestamptz '2026-01-01Z' + make_interval(secs => (i * 104729 % 500) / 1e6)
    from generate_series(1, ${n}::int) i`);
}
