/*
 * The page at `/` in `deno task dev`, and where DEMO=1, through the client. `deno task demo` makes
 * demo.js of it. */
import { createSlateClient, type Schemas, type SlateClient, SlateError } from "../client/mod.ts";
import { dataOf } from "./answer.ts";

const find = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const field = (id: string) => find<HTMLInputElement>(id);

/** Todos that the page shows at first. */
const most = 100;

let slate: SlateClient;
const students = new Map<number, Schemas["Student"]>();

/** Does the work and announces the result, on the page and to screen readers. */
async function attempt(work: () => Promise<string>) {
  const status = find("status");
  // What was said before is not the result of this; and the same words again are news.
  status.textContent = "";
  try {
    status.textContent = await work();
  } catch (error) {
    const { problem } = error as SlateError;
    if (problem?.code === "unauthorized") return askForKey();
    status.textContent = problem
      ? [`${problem.title}.`, problem.detail, ...(problem.errors ?? []).map((e) => e.detail)].join(
        " ",
      )
      : `Slate does not answer: ${(error as Error).message}`;
  }
}

function askForKey() {
  const given = field("secret").value !== "" || !find("lists").hidden;
  find("status").textContent = given
    ? "That key is not accepted, or no longer."
    : "Your todos take an API key.";
  find("lists").hidden = true;
  find("key").hidden = false;
  field("secret").focus();
}

const nameOf = ({ first_name, last_name }: Schemas["Student"]) => `${first_name} ${last_name}`;

/** Of this version, so that nobody overwrites what another has changed meanwhile. */
const only = ({ id, version }: Schemas["Todo"]) => ({
  params: { path: { id }, header: { "if-match": `"${version}"` } },
});

function todoItem(todo: Schemas["Todo"]): HTMLLIElement {
  const item = document.createElement("li");
  const box = document.createElement("input");
  const label = document.createElement("label");
  const remove = document.createElement("button");
  const student = students.get(todo.student_id ?? 0);
  box.type = "checkbox";
  box.id = `todo-${todo.id}`;
  box.checked = todo.completed;
  label.htmlFor = box.id;
  label.textContent = todo.description + (student ? ` (${nameOf(student)})` : "");
  box.addEventListener("change", () =>
    attempt(async () => {
      const body = { completed: box.checked };
      try {
        todo = await dataOf(slate.PATCH("/api/todos/{id}", { ...only(todo), body }));
      } finally {
        box.checked = todo.completed;
      }
      return todo.completed ? "Done." : "Open again.";
    }));
  remove.textContent = "Delete";
  remove.setAttribute("aria-label", `Delete ${todo.description}`);
  remove.addEventListener("click", () =>
    attempt(async () => {
      await dataOf(slate.DELETE("/api/todos/{id}", only(todo)));
      item.remove();
      find("todos-heading").focus();
      return "Deleted.";
    }));
  item.append(box, label, remove);
  return item;
}

function showStudent(student: Schemas["Student"]) {
  students.set(student.id, student);
  const item = document.createElement("li");
  item.textContent = nameOf(student);
  find("students").append(item);
  find<HTMLSelectElement>("student").add(new Option(nameOf(student), String(student.id)));
}

async function show(key?: string) {
  slate = createSlateClient({ baseUrl: location.origin, key });
  for (const id of ["todos", "students"]) find(id).replaceChildren();
  find<HTMLSelectElement>("student").length = 1;
  for await (const student of slate.list("/api/students", { query: { sort: "last_name" } })) {
    showStudent(student);
  }
  let more = false;
  for await (const todo of slate.list("/api/todos", { query: { sort: "-id" } })) {
    more = find("todos").children.length === most;
    if (more) break;
    find("todos").append(todoItem(todo));
  }
  find("key").hidden = true;
  find("lists").hidden = false;
  // The form that had the focus is gone.
  if (key) find("todos-heading").focus();
  return more ? `The newest ${most} todos are here; there are more.` : "";
}

/** What a form does, without leaving the page. */
function submitting(id: string, work: () => Promise<string>) {
  const form = find<HTMLFormElement>(id);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const said = await work();
      form.reset();
      return said;
    });
  });
}

submitting("key", () => show(field("secret").value.trim()));
submitting("new-todo", async () => {
  const student_id = Number(field("student").value) || null;
  const body = { description: field("description").value, student_id };
  find("todos").prepend(todoItem(await dataOf(slate.POST("/api/todos", { body }))));
  return "Added.";
});
submitting("new-student", async () => {
  const body = { first_name: field("first").value, last_name: field("last").value };
  showStudent(await dataOf(slate.POST("/api/students", { body })));
  return "Added.";
});
attempt(() => show());
