/** Runs the README: each command in it, in its order, in a copy of the checkout. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { root } from "../db/tools/dbmate.ts";
import { freePort, type Process, startProcess } from "./process.ts";

interface Block {
  language: string;
  text: string;
}

async function blocks(file: string): Promise<Block[]> {
  const text = await Deno.readTextFile(join(root, file));
  return Array.from(
    text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm),
    ([, language, text]) => ({ language: language!, text: text!.trim() }),
  );
}

/** The files that a clone would have, uncommitted changes included. */
async function copyOfCheckout(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "slate readme " });
  const script = "git ls-files -z --cached --others --exclude-standard | " +
    'tar --create --null --ignore-failed-read --files-from=- | tar --extract --directory="$1"';
  const { success } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", folder],
    cwd: root,
    stderr: "null",
  }).output();
  assert(success);
  return folder;
}

/** What differs from run to run. */
function masked(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/g, "<time>")
    .replaceAll(/"request_id":\s*"[^"]+"/g, '"request_id":"<id>"');
}

async function run(command: string, folder: string, env: Record<string, string>) {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command],
    cwd: folder,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, output };
}

Deno.test("README: every command works as it stands, and every answer is the one that is shown", async () => {
  const folder = await copyOfCheckout();
  const port = freePort();
  const env = { PORT: String(port), SLATE_DATA_DIR: join(folder, ".data"), HOST: "127.0.0.1" };
  let dev: Process | undefined;
  try {
    const all = await blocks("README.md");
    const commands = all.flatMap(({ language, text }, i) =>
      language === "sh" ? text.split("\n").map((line) => ({ line, answer: all[i + 1] })) : []
    );
    assert(commands.length > 8);
    for (const { line, answer } of commands) {
      if (line === "deno task dev") {
        dev = startProcess(["task", "dev"], env, folder);
        await dev.says(/"listening"/);
      } else if (line === "deno task test") {
        // It is what runs this.
        assert(Deno.env.has("TEST_SERVER"));
      } else if (line.startsWith("curl ")) {
        const here = line.replace("curl ", "curl --silent ").replace(":8000", `:${port}`);
        const { output } = await run(here, folder, env);
        if (answer!.language === "json") {
          assertEquals(JSON.parse(masked(output)), JSON.parse(masked(answer!.text)));
        } else {for (const part of answer!.text.split("\n")) {
            assertStringIncludes(masked(output), masked(part));
          }}
      } else if (line.startsWith("docker compose ")) {
        // No Docker here; tests/container_test.ts builds and runs the image where it can. The same
        // lines stand at the head of the file that they are for.
        assertStringIncludes(await Deno.readTextFile(join(root, "compose.yaml")), `# ${line}`);
      } else {
        assert(line.startsWith("deno task "), `no way is known to try: ${line}`);
        const { code, output } = await run(line, folder, env);
        assertEquals(code, 0, `${line}:\n${output}`);
        // The new migration is a template: it becomes one that does something.
        const path = /^\S*db\/migrations\/\d+_add_students_nickname\.sql$/m.exec(output)?.[0];
        if (path) await write(join(folder, path));
      }
    }
  } finally {
    await dev?.[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
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

Deno.test("README: each file and folder that it links to is there", async () => {
  const text = await Deno.readTextFile(join(root, "README.md"));
  const links = Array.from(text.matchAll(/\]\(([^)#]+)/g), (match) => match[1]!)
    .filter((link) => !/^https?:/.test(link));
  assert(links.length > 10);
  for (const link of links) await Deno.stat(join(root, link));
});
