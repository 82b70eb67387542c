/** One kind of request. `{id}` is the next todo's id, `{version}` its current version. */
export interface Work {
  name: string;
  method: "GET" | "POST" | "PATCH";
  path: string;
  body?: string;
  ifMatch?: string;
  /** The same as SQL with nothing around it, for pgbench. */
  bare: string;
}

const columns = "id, description, completed, due_date, student_id, created_at, updated_at, version";

/** What is measured. The caller owns the todos 1 to n. */
export const works: Work[] = [
  {
    name: "GET one todo",
    method: "GET",
    path: "/api/todos/{id}",
    bare: `select ${columns} from todos where id = :id and owner_id = :owner;`,
  },
  {
    name: "GET a page of 20",
    method: "GET",
    path: "/api/todos?limit=20",
    bare: `select ${columns} from todos where owner_id = :owner order by id limit 21;`,
  },
  {
    name: "GET a filtered page",
    method: "GET",
    path: "/api/todos?completed=false&limit=20",
    bare:
      `select ${columns} from todos where owner_id = :owner and not completed order by id limit 21;`,
  },
  {
    name: "POST a todo",
    method: "POST",
    path: "/api/todos",
    body: '{"description":"Mark the essay","due_date":"2030-01-31T09:00:00Z"}',
    bare: "insert into todos (owner_id, description, due_date) " +
      `values (:owner, 'Mark the essay', '2030-01-31') returning ${columns};`,
  },
  {
    name: "PATCH a todo with If-Match",
    method: "PATCH",
    path: "/api/todos/{id}",
    body: '{"description":"Change {version}","completed":true}',
    ifMatch: '"{version}"',
    bare: `update todos set description = 'Change ' || version, completed = true ` +
      `where id = :id and owner_id = :owner and version = version returning ${columns};`,
  },
];
