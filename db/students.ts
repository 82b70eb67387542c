import { by, byId, owned, stamps, table } from "./_table.ts";
import { sql } from "../postgres/mod.ts";

export interface StudentFields {
  first_name: string;
  last_name: string;
  age: number | null;
}

/** The todos of one that is deleted stay, assigned to nobody. */
export const students = table({
  from: sql`students t`,
  columns: sql`t.id, t.first_name, t.last_name, t.age, ${stamps}`,
  visible: owned,
  sorts: { id: byId, last_name: by("text", sql`t.last_name`) },
  insert: (student: StudentFields) =>
    sql`
    insert into students as t (owner_id, first_name, last_name, age)
    select caller.id, ${student.first_name}, ${student.last_name}, ${student.age}::integer
    from caller`,
  set: {
    first_name: (value) => sql`first_name = ${value}`,
    last_name: (value) => sql`last_name = ${value}`,
    age: (value) => sql`age = ${value}`,
  },
});
