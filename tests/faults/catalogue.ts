import { administer } from "../support/database.ts";
import { pause } from "../support/pool.ts";
import type { Proxy } from "../support/proxy.ts";
import type { App } from "./app.ts";
import type { Server } from "../support/server.ts";

export interface Scene {
  server: Server;
  /** Between the app and the server. */
  proxy: Proxy;
  app: App;
}

export interface Fault {
  name: string;
  /** Nobody may be refused because of it. Of the others at least one has to be: else it was none. */
  harmless?: boolean;
  /** The app itself dies, so that connections to it may break. */
  breakable?: boolean;
  /** Begins, lasts and ends: when it returns, all is well again. */
  run(scene: Scene): Promise<void>;
}

const seconds = (n: number) => pause(n * 1000);

const backends = `
  select pg_terminate_backend(pid) from pg_stat_activity where usename = 'slate_app'`;

/** Every fault, one at a time. */
export const faults: Fault[] = [
  { name: "none", harmless: true, run: () => seconds(3) },
  {
    name: "every backend terminated, again and again",
    async run({ server }) {
      for (let round = 0; round < 30; round++) {
        await server.admin.script(backends);
        await seconds(0.1);
      }
    },
  },
  {
    name: "PostgreSQL stopped at once, started after 5 s",
    async run({ server }) {
      await server.crash();
      await seconds(5);
      await server.start();
    },
  },
  {
    name: "PostgreSQL frozen for 10 s",
    async run({ server }) {
      await server.signal("SIGSTOP");
      await seconds(10);
      await server.signal("SIGCONT");
    },
  },
  {
    name: "the network accepts and closes",
    async run({ proxy }) {
      proxy.limit(0, "cut");
      await seconds(5);
      proxy.heal();
    },
  },
  {
    name: "the network accepts and says nothing",
    async run({ proxy }) {
      proxy.limit(0, "silence");
      await seconds(5);
      proxy.heal();
    },
  },
  {
    name: "the network cuts answers in the middle",
    async run({ proxy }) {
      for (let round = 0; round < 30; round++) {
        proxy.limit(10_000, "cut");
        await seconds(0.1);
        proxy.heal();
        await seconds(0.05);
      }
    },
  },
  {
    name: "each answer takes 200 ms longer",
    harmless: true,
    async run({ proxy }) {
      proxy.delay(200);
      await seconds(5);
      proxy.heal();
    },
  },
  {
    name: "no connection left",
    async run({ server }) {
      await server.admin.script(`alter role slate_app connection limit 0; ${backends}`);
      await seconds(5);
      await server.admin.script("alter role slate_app connection limit -1");
    },
  },
  {
    name: "every fifth statement never ends",
    async run({ server }) {
      await server.admin.script(`
        create function hang() returns trigger language plpgsql as
          $$ begin perform pg_sleep(600); return new; end $$;
        create trigger hang before insert on todos
          for each row when (new.id % 5 = 0) execute function hang()`);
      await seconds(5);
      await server.admin.script("drop trigger hang on todos; drop function hang()");
    },
  },
  {
    name: "a lock on the table held for 30 s",
    run: ({ server }) =>
      server.admin.script(
        "begin; lock table todos in access exclusive mode; select pg_sleep(30); rollback",
      ),
  },
  {
    name: "the disk is full",
    run: diskFull,
  },
  {
    name: "the app killed and started again",
    breakable: true,
    async run({ app }) {
      await app.kill();
      await seconds(1);
      await app.restart();
    },
  },
];

/** A file system of its own for the table, full to the last byte; only root can make one. */
async function diskFull({ server }: Scene) {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return await pretendFull(server);
  const folder = await Deno.makeTempDir({ prefix: "slate-disk-" });
  await run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder);
  try {
    await Deno.chmod(folder, 0o711);
    const { uid, gid } = await server.account();
    await Deno.mkdir(`${folder}/space`, { mode: 0o700 });
    await Deno.chown(`${folder}/space`, uid, gid);
    await administer(server.settings, `create tablespace small location '${folder}/space'`);
    await server.admin.script("alter table todos set tablespace small");
    await fill(`${folder}/filler`);
    await seconds(5);
    await Deno.remove(`${folder}/filler`);
    await server.admin.script("alter table todos set tablespace pg_default");
    await administer(server.settings, "drop tablespace small");
  } finally {
    await run("umount", folder);
    await Deno.remove(folder);
  }
}

/** What PostgreSQL says where it finds the disk full, for those who cannot fill one. */
async function pretendFull({ admin }: Server) {
  await admin.script(`
    create function full_disk() returns trigger language plpgsql as
      $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$;
    create trigger full_disk before insert on todos for each row execute function full_disk()`);
  await seconds(5);
  await admin.script("drop trigger full_disk on todos; drop function full_disk()");
}

async function fill(path: string) {
  using file = await Deno.open(path, { create: true, write: true });
  const block = new Uint8Array(4096);
  try {
    for (;;) await file.write(block);
  } catch (error) {
    if (!/os error 28/.test(String(error))) throw error;
  }
}

async function run(command: string, ...args: string[]) {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
}
