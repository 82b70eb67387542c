import { type Database, sql } from "../postgres/mod.ts";

/** The account that the demo data belongs to. */
export const demoEmail = "demo@slate.example";

/**
 * Demo data: a user with a roster and some todos. Idempotent: where the user is there already,
 * nothing is touched, whatever has become of the data since.
 */
export async function seed(db: Database): Promise<void> {
  await db.query(sql`
    with teacher as (
      insert into users (name, email, years_old)
      values ('Demo Teacher', ${demoEmail}, 42)
      on conflict (lower(email)) do nothing
      returning id
    ),
    roster as (
      insert into students (owner_id, first_name, last_name, age)
      select teacher.id, v.first_name, v.last_name, v.age
      from teacher,
        (values ('Ada', 'Lovelace', 36), ('Alan', 'Turing', 41), ('Grace', 'Hopper', null))
          as v (first_name, last_name, age)
      returning id, owner_id, first_name
    )
    insert into todos (owner_id, description, completed, due_date, student_id)
    select teacher.id, v.description, v.completed, now() + v.due, roster.id
    from teacher
    cross join (
      values
        ('Read the first migration', true, null::interval, null),
        ('Call GET /api/todos', false, interval '1 day', null),
        ('Mark the essay on the analytical engine', false, interval '2 days', 'Ada'),
        ('Prepare the halting problem', false, interval '7 days', 'Alan')
    ) as v (description, completed, due, first_name)
    left join roster on roster.first_name = v.first_name`);
}
