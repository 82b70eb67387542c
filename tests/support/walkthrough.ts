/**
 * Runs a text that tells a person what to type: its code blocks, from top to bottom, in a copy of
 * the project. What a block is, the words after its language say:
 *
 *     sh                   commands, a line each; a `text`, `json` or `http` block after them is
 *                          what the last one answers. One that ends with another code than 0 says
 *                          so: `# exit 1`
 *     ts db/courses.ts     the whole file
 *     sql db/schema.sql +  what comes at the end of the file
 *     diff routes/mod.ts   lines to add and to take away, with the lines around them
 *
 * A `*` in a file's name stands for what differs from run to run, such as a time; `...` in an answer
 * for any lines.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "node:path";
import { removeFolder } from "./folder.ts";
import { root } from "./root.ts";
import { freePort, patience, type Process, startProcess } from "./process.ts";

export interface Block {
  language: string;
  file?: string;
  append: boolean;
  text: string;
}

export type Instead = (line: string) => Answer | Promise<Answer>;
type Answer = string | boolean;

/** The code blocks of a text of the project. */
export async function blocksOf(path: string): Promise<Block[]> {
  const text = await Deno.readTextFile(join(root, path));
  return Array.from(
    text.matchAll(/^```(\w+)(?: (\S+))?( \+)?\n([\s\S]*?)^```/gm),
    ([, language, file, plus, text]) => ({
      language: language!,
      file,
      append: plus !== undefined,
      text: text!,
    }),
  );
}

/** The resources that the texts know; a copy with others has outgrown them. */
const published = ["changes", "health", "keys", "student_batches", "students", "todo_batches"]
  .concat("todos", "users");

/**
 * Whether the tests of the texts that change the project can run: not where a resource was added or
 * taken out, as they do themselves. Their room, tests/docs/, is what a changed copy leaves out.
 */
export function asPublished(): boolean {
  const resources = Array.from(Deno.readDirSync(join(root, "db")), ({ name }) => name)
    .filter((name) => /^[a-z]\w*\.ts$/.test(name)).map((name) => name.slice(0, -3));
  return resources.toSorted().join() === published.join();
}

/** The files of tests, as a command names them. */
export function named(tests: string[]): string {
  return tests.map((name) => `tests/${name}_test.ts`).join(" ");
}

/** The version of the project's newest migration. */
export function newestMigration(): string {
  const names = Array.from(Deno.readDirSync(join(root, "db", "migrations")), ({ name }) => name);
  return names.sort().at(-1)!.split("_")[0]!;
}

/** A copy of the project, in which a text is run. Disposing ends what it started and removes it. */
export class Walkthrough implements AsyncDisposable {
  readonly #port = freePort();
  #dev: Process | undefined;

  private constructor(readonly folder: string, readonly env: Record<string, string>) {}

  /** With the files that a clone would have, uncommitted changes included. */
  static async open(env: Record<string, string> = {}): Promise<Walkthrough> {
    const folder = await Deno.makeTempDir({ prefix: "slate walk " });
    const script = "git ls-files -z --cached --others --exclude-standard | " +
      'tar --create --null --ignore-failed-read --files-from=- | tar --extract --directory="$1"';
    const { success } = await new Deno.Command("sh", {
      args: ["-c", script, "sh", folder],
      cwd: root,
      stderr: "null",
    }).output();
    assert(success);
    return new Walkthrough(folder, env);
  }

  async [Symbol.asyncDispose]() {
    await this.interrupt();
    await removeFolder(this.folder);
  }

  /**
   * Runs the text. `instead` does what has to be done otherwise here, and gives what it answers, or
   * true where that is not shown, or false where it did nothing.
   */
  async run(path: string, instead: Instead = () => false) {
    const blocks = await blocksOf(path);
    for (const [i, block] of blocks.entries()) {
      if (block.file) await this.#edit(block);
      if (block.language !== "sh") continue;
      const lines = block.text.trim().split("\n");
      const answer = blocks[i + 1];
      for (const [n, line] of lines.entries()) {
        const done = await instead(line);
        if (done === true) continue;
        const shown = n === lines.length - 1 && !answer?.file ? answer : undefined;
        // The API restarts when a file changes, and a person takes longer to type than that.
        const again = this.#dev && repeatable(line);
        for (let tries = again ? 300 : 1; tries > 0; tries--) {
          try {
            const output = done || await this.type(again || line);
            if (shown) compare(line, output, shown);
            break;
          } catch (error) {
            if (tries === 1) throw error;
            await new Promise((resolve) => setTimeout(resolve, 200));
          }
        }
      }
    }
  }

  /** For `run`: types another command in the place of one, whose answer is not shown. */
  insteadOf(others: Record<string, string>) {
    return async (line: string) => {
      const other = others[line];
      if (other === undefined) return false;
      await this.type(other);
      return true;
    };
  }

  /** Types a command and gives what it says; `deno task dev` goes on in the background. */
  async type(line: string): Promise<string> {
    if (line === "deno task dev") {
      this.#dev = startProcess(["task", "dev"], this.#env(), this.folder);
      await this.#dev.says(/"listening"/);
      return this.#dev.output();
    }
    const here = line.replace(/^curl /, "curl --silent --show-error ")
      .replaceAll(":8000", `:${this.#port}`);
    const { code, stdout } = await new Deno.Command("sh", {
      // Both streams in one, in the order in which a terminal shows them; and without the folder of
      // the tests, so that small servers are in memory.
      args: ["-c", `exec 2>&1\nunset TMPDIR\n${here}`],
      cwd: this.folder,
      env: this.#env(),
      stdin: "null",
    }).output();
    const output = new TextDecoder().decode(stdout).replace(/^Task .*\n/gm, "");
    const expected = Number(/ # exit (\d+)$/.exec(line)?.[1] ?? 0);
    assertEquals(code, expected, `${line}:\n${output}`);
    return output;
  }

  /** Presses Ctrl-C where `deno task dev` runs. */
  async interrupt() {
    await this.#dev?.[Symbol.asyncDispose]();
    this.#dev = undefined;
  }

  #env() {
    return {
      NO_COLOR: "1",
      ...patience,
      PORT: String(this.#port),
      HOST: "127.0.0.1",
      SLATE_DATA_DIR: join(this.folder, ".data"),
      // The copy's tests run on a server of their own.
      TEST_DATABASE_URL: "",
      // Nearly all of its operations are tried outside of the copy as well.
      FUZZ_RUNS: "20",
      ...this.env,
    };
  }

  async #edit({ language, file, append, text }: Block) {
    const path = await this.#find(file!);
    if (language === "diff") {
      const before = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, patched(before, text, file!));
    } else {
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, append ? `\n${text}` : text, { append });
    }
  }

  /** The path of a file, whose name may hold a `*` if it is there. */
  async #find(file: string): Promise<string> {
    const path = join(this.folder, file);
    if (!file.includes("*")) return path;
    const [start, end] = path.split("*") as [string, string];
    const found =
      (await Array.fromAsync(Deno.readDir(dirname(path)), ({ name }) => join(dirname(path), name)))
        .filter((name) => name.startsWith(start) && name.endsWith(end));
    assertEquals(found.length, 1, `${file} is ${found.join(" and ") || "nowhere"}`);
    return found[0]!;
  }
}

/**
 * The request of a command as it may be sent twice and is done once: a GET, or a POST that has a key for
 * it. Nothing where the command is neither.
 */
export function repeatable(command: string): string | undefined {
  if (!command.startsWith("curl ") || / (-X|--request) /.test(command)) return undefined;
  if (!/ (-d|--data) /.test(command) || /idempotency-key:/i.test(command)) return command;
  return `${command} -H 'idempotency-key: ${crypto.randomUUID()}'`;
}

/** The text with a diff's lines changed, each of its parts found by the lines around it. */
function patched(before: string, diff: string, file: string): string {
  let text = before;
  for (const part of diff.split(/^@@.*\n/m).filter((part) => part.trim())) {
    const lines = part.trimEnd().split("\n");
    const side = (gone: string) =>
      lines.filter((line) => line[0] !== gone).map((line) => `${line.slice(1)}\n`).join("");
    const old = side("+");
    assertEquals(text.split(old).length, 2, `${file} does not have these lines, once:\n${old}`);
    text = text.replace(old, () => side("-"));
  }
  return text;
}

/** Requires the answer that the text shows. */
function compare(line: string, output: string, { language, text }: Block) {
  if (language === "json") {
    return assertEquals(JSON.parse(masked(output)), JSON.parse(masked(text)));
  }
  if (language === "http") {
    for (const part of text.trim().split("\n")) assertStringIncludes(masked(output), masked(part));
  }
  if (language !== "text") return;
  let rest = masked(output);
  for (const part of masked(text).split(/^\.\.\.\n/m).map((part) => part.trim()).filter(Boolean)) {
    const at = rest.indexOf(part);
    assert(at >= 0, `${line} does not say\n${part}\nbut\n${rest}`);
    rest = rest.slice(at + part.length);
  }
}

/** What differs from run to run. */
function masked(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
    .replaceAll(/(?<!\d)20\d{12}(?!\d)/g, "<version>")
    .replaceAll(/\b127\.0\.0\.1:\d+/g, "<address>")
    .replaceAll(/\d+(\.\d+)? ?m?s\b/g, "<duration>")
    .replaceAll(/"request_id":\s*"[^"]+"/g, '"request_id":"<id>"')
    .replaceAll(/[ \t]+$/gm, "");
}
