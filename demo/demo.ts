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

/** The end of what is being done. */
let last = Promise.resolve();

/**
 * Does the work after what was asked for before, so that nobody meets a change of their own as if it
 * were another's.
 */
function attempt(work: () => Promise<string>): Promise<void> {
  return last = last.then(() => announce(work));
}

/** Announces the result, on the page and to screen readers. */
async function announce(work: () => Promise<string>) {
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

/** The todo's words, or its number where they are words that nobody sees. */
const titleOf = ({ id, description }: Schemas["Todo"]) =>
  /[^\s\p{Cf}]/u.test(description) ? description : `Todo ${id}`;

function todoItem(todo: Schemas["Todo"]): HTMLLIElement {
  const item = document.createElement("li");
  const box = document.createElement("input");
  const label = document.createElement("label");
  const remove = document.createElement("button");
  box.type = "checkbox";
  box.id = label.htmlFor = `todo-${todo.id}`;
  remove.textContent = "Delete";
  function paint() {
    const student = students.get(todo.student_id ?? 0);
    box.checked = todo.completed;
    label.textContent = titleOf(todo) + (student ? ` (${nameOf(student)})` : "");
    remove.setAttribute("aria-label", `Delete ${titleOf(todo)}`);
  }
  function leave() {
    const focused = item.contains(document.activeElement);
    item.remove();
    if (focused) find("todos-heading").focus();
  }
  /** Where it fails, another may have changed the todo: then that is shown. */
  const change = (work: () => Promise<string>) =>
    attempt(async () => {
      try {
        return await work();
      } catch (error) {
        const params = { path: { id: todo.id } };
        const { data, response } = await slate.GET("/api/todos/{id}", { params });
        if (data) todo = data;
        else if (response.status === 404) leave();
        throw error;
      } finally {
        paint();
      }
    });
  box.addEventListener("change", () => {
    const body = { completed: box.checked };
    change(async () => {
      todo = await dataOf(slate.PATCH("/api/todos/{id}", { ...only(todo), body }));
      return todo.completed ? "Done." : "Open again.";
    });
  });
  remove.addEventListener("click", () =>
    change(async () => {
      if (item.isConnected) {
        await dataOf(slate.DELETE("/api/todos/{id}", only(todo)));
        leave();
      }
      return "Deleted.";
    }));
  paint();
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

/** What a form does with the values of its fields, without leaving the page. */
function submitting(id: string, work: (value: (name: string) => string) => Promise<string>) {
  const form = find<HTMLFormElement>(id);
  const read = () => JSON.stringify([...new FormData(form)]);
  /** What was asked for last, until it is done. */
  let asked: string | undefined;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = read();
    // Who presses Enter twice means it once.
    if (text === asked) return;
    asked = text;
    const values = new FormData(form);
    await attempt(async () => {
      const said = await work((name) => String(values.get(name)));
      // What was typed meanwhile is not done yet.
      if (text === read()) form.reset();
      return said;
    });
    if (text === asked) asked = undefined;
  });
}

submitting("key", (value) => show(value("secret").trim()));
submitting("new-todo", async (value) => {
  const body = { description: value("description"), student_id: Number(value("student")) || null };
  find("todos").prepend(todoItem(await dataOf(slate.POST("/api/todos", { body }))));
  return "Added.";
});
submitting("new-student", async (value) => {
  const body = { first_name: value("first"), last_name: value("last") };
  showStudent(await dataOf(slate.POST("/api/students", { body })));
  return "Added.";
});
attempt(() => show());
