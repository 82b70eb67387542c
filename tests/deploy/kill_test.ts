/** What is left of the commands that have a server of their own when they are killed: nothing. */
import { removeData } from "../../embedded/account.ts";
import { runs } from "../support/owner.ts";
import { until } from "../support/pool.ts";
import { startProcess } from "../support/process.ts";

/** A process and all that it has started, and that they have started. */
async function family(pid: number): Promise<number[]> {
  const { stdout } = await new Deno.Command("pgrep", { args: ["-P", String(pid)] }).output();
  const children = new TextDecoder().decode(stdout).trim().split("\n").filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(family))).flat()];
}

/** The one that has started others and they others, or 0: beside it runs the test's own watchdog. */
async function programIn(pids: number[]): Promise<number> {
  for (const pid of pids) {
    if ((await family(pid)).length >= 3) return pid;
  }
  return 0;
}

function namesIn(folder: string, depth = 2): string[] {
  try {
    return Array.from(Deno.readDirSync(folder)).flatMap(({ name, isDirectory }) => [
      name,
      ...(isDirectory && depth > 1 ? namesIn(`${folder}/${name}`, depth - 1) : []),
    ]);
  } catch {
    // It went meanwhile, or is the server's own.
    return [];
  }
}

/** Each command, and the name of a folder that it has when it is in the midst of its work. */
const commands: [args: string[], sign: RegExp][] = [
  [["db", "check"], /^migrate-/],
  [["test", "tests/deploy/start_test.ts"], /^report|^slate-/],
  [["bench", "--smoke"], /^slate-(?!bench)/],
];

for (const [args, sign] of commands) {
  const name = `deno task ${args.join(" ")}`;
  Deno.test({
    name:
      `${name}: kill -9 of its task, of its program or of their group leaves no process and no folder`,
    ignore: Deno.build.os === "windows",
    async fn() {
      for (const level of ["the task", "the program", "the group"]) {
        const folder = await Deno.makeTempDir({ prefix: "slate-killed-" });
        try {
          await Deno.chmod(folder, 0o711);
          // Whatever it leaves is in this folder: what it has elsewhere goes with what is here.
          const env = { TMPDIR: folder, SCRATCH_DATABASE_URL: "" };
          await using task = startProcess(["task", ...args], env);
          await until(() => Promise.resolve(namesIn(folder).some((name) => sign.test(name))));
          let all: number[] = [];
          let program = 0;
          // It is between two of its processes now and then, and so it is looked at until it is not.
          await until(async () => {
            all = await family(task.pid);
            program = await programIn(all.slice(1));
            return program > 0;
          });
          if (level === "the group") task.interrupt("SIGKILL");
          else Deno.kill(level === "the task" ? task.pid : program, "SIGKILL");
          for (const pid of all) await until(async () => !await runs(pid));
          await until(() => Promise.resolve(namesIn(folder, 1).length === 0));
        } finally {
          await removeData(folder);
        }
      }
    },
  });
}
