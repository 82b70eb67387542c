/** What is left of the commands that have a server of their own when they are killed: nothing. */
import { assert } from "@std/assert";
import { removeData } from "../../embedded/account.ts";
import { createFolder, migration } from "../support/command.ts";
import { childrenOf, postmaster, runs } from "../support/owner.ts";
import { until } from "../support/pool.ts";
import { startProcess } from "../support/process.ts";

/** A process and all that it has started, and that they have started. */
async function family(pid: number): Promise<number[]> {
  return [pid, ...(await Promise.all((await childrenOf(pid)).map(family))).flat()];
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

/** The servers whose data lie there, and their backends: nobody's children. */
async function serversIn(folder: string): Promise<number[]> {
  const pids = namesIn(folder, 1).map((name) =>
    postmaster(`${folder}/${name}`).then(family, () => [])
  );
  return (await Promise.all(pids)).flat();
}

/** Whether one of the processes is called so, as `ps` has it. */
async function isAmong(pids: number[], title: RegExp): Promise<boolean> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "args=", "-p", `${pids}`] })
    .output();
  return title.test(new TextDecoder().decode(stdout));
}

interface Killed {
  args: string[];
  /** Whether it is in the midst of its work. */
  isAtWork(folder: string, pids: number[]): boolean | Promise<boolean>;
}

const commands: Killed[] = [
  {
    // Of a migration that sleeps: each other one may be over before it is seen.
    args: ["db", "check"],
    isAtWork: (_, pids) => isAmong(pids, /^postgres: \S+ scratch_.* SELECT/m),
  },
  {
    args: ["test", "tests/deploy/start_test.ts"],
    isAtWork: (folder) => namesIn(folder).some((name) => /^report|^slate-/.test(name)),
  },
  {
    args: ["bench", "--smoke"],
    isAtWork: (folder) => namesIn(folder).some((name) => /^slate-(?!bench)/.test(name)),
  },
];

for (const { args, isAtWork } of commands) {
  const name = `deno task ${args.join(" ")}`;
  Deno.test({
    name:
      `${name}: kill -9 of its task, of its program or of their group leaves no process and no folder`,
    ignore: Deno.build.os === "windows",
    async fn() {
      await using sleeping = await createFolder({
        "1_sleep.sql": migration("select pg_sleep(100);"),
      });
      for (const level of ["the task", "the program", "the group"]) {
        const folder = await Deno.makeTempDir({ prefix: "slate-killed-" });
        try {
          await Deno.chmod(folder, 0o711);
          // Whatever it leaves is in this folder: what it has elsewhere goes with what is here.
          const env = {
            TMPDIR: folder,
            SCRATCH_DATABASE_URL: "",
            DBMATE_MIGRATIONS_DIR: `${sleeping.path}/migrations`,
          };
          await using task = startProcess(["task", ...args], env);
          let over = false;
          task.ended.then(() => over = true);
          let all: number[] = [];
          let program = 0;
          // It is between two of its processes now and then, and so it is looked at until it is not.
          await until(async () => {
            assert(!over, `it ended before it was killed:\n${task.output()}`);
            const own = await family(task.pid);
            all = [...own, ...await serversIn(folder)];
            program = await programIn(own.slice(1));
            return program > 0 && await isAtWork(folder, all);
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
