/** Runs the README: each command in it, in its order, in a copy of the checkout. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { root } from "../support/root.ts";
import { createApi } from "../support/api.ts";
import { listen } from "../support/socket.ts";
import { Walkthrough } from "../support/walkthrough.ts";

Deno.test("README: every command works as it stands, and every answer is the one that is shown", async () => {
  await using walk = await Walkthrough.open();
  let commands = 0;
  await walk.run("README.md", async (line) => {
    commands++;
    // It is what runs this.
    if (line === "deno task test") return true;
    if (line.startsWith("docker compose ")) {
      // There is no Docker here. The same lines stand at the head of the file that they are for.
      assertStringIncludes(await Deno.readTextFile(join(root, "compose.yaml")), `# ${line}`);
      return true;
    }
    if (!line.startsWith("deno task db new ")) return false;
    // The new migration is a template: it becomes one that does something.
    const path = /^\S*db\/migrations\/\d+_add_students_nickname\.sql$/m.exec(await walk.type(line));
    await write(join(walk.folder, path![0]));
    return true;
  });
  assert(commands > 8);
});

async function write(path: string) {
  const text = await Deno.readTextFile(path);
  assertStringIncludes(text, "-- migrate:up");
  await Deno.writeTextFile(
    path,
    `-- What a student likes to be called.
-- lock: access exclusive on students, for a moment
-- down loses every nickname

-- migrate:up
alter table students add column nickname text;

-- migrate:down
alter table students drop column nickname;
`,
  );
}

Deno.test("README: the program compiles, and does what it says [31]", async () => {
  await using api = await createApi();
  await using server = listen(api.app);
  const key = await api.key("ada@example.com");
  const readme = await Deno.readTextFile(join(root, "README.md"));
  const program = /```ts\n(.*?)```/s.exec(readme)![1]!
    .replace("./client/mod.ts", new URL("../../client/mod.ts", import.meta.url).href)
    .replace("http://127.0.0.1:8000", server.origin);
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "program.ts");
    await Deno.writeTextFile(path, program);
    const config = `--config=${join(root, "deno.json")}`;
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--check", "--allow-net", "--allow-env", config, path],
      env: { SLATE_KEY: key },
    }).output();
    const decoder = new TextDecoder();
    assertEquals(decoder.decode(stdout), "1\nBuy chalk\n", decoder.decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
