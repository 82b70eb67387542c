/** The image, built from the project's Dockerfile as the README says, with buildah for docker. */
import { join } from "node:path";
import { dbmateBinary } from "../../migrate/apply/dbmate.ts";
import { root } from "../support/root.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What a program printed. Throws with all that it said when it fails. */
export async function run(program: string, args: string[]): Promise<string> {
  const command = new Deno.Command(program, { args, cwd: root, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (success) return decode(stdout).trim();
  throw new Error(`${program} ${args.join(" ")} failed:\n${decode(stdout)}${decode(stderr)}`);
}

async function has(program: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", {
    args: ["-c", 'command -v "$1" > /dev/null', "sh", program],
  }).output();
  return success;
}

/** Installs what is missing where that is possible, else says what it is. */
export async function toolsMissing(): Promise<string | undefined> {
  const needs = "deno task test:image needs Linux, root, buildah and debootstrap";
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return `${needs}: run it as root on Linux`;
  const missing = [];
  for (const tool of ["buildah", "debootstrap"]) if (!await has(tool)) missing.push(tool);
  if (missing.length === 0) return;
  const remedy = `${needs}: install ${missing.join(" and ")}`;
  if (!await has("apt-get")) return remedy;
  console.log(`installing ${missing.join(" and ")}`);
  try {
    await run("apt-get", ["update", "-qq"]);
    const quietly = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq"];
    await run("env", [...quietly, "--no-install-recommends", ...missing]);
  } catch (error) {
    return `${remedy}; apt-get could not: ${(error as Error).message}`;
  }
}

interface Config {
  User: string;
  Env: string[];
  Entrypoint: string[];
  WorkingDir: string;
  Healthcheck: { Test: string[] };
}

export interface Image extends AsyncDisposable {
  /** The folder that holds its files. */
  files: string;
  config: Config;
  /** Bytes, of it and of each base by its name. */
  size: number;
  bases: Map<string, number>;
  standIns: boolean;
}

/** Builds it in a store of its own: a stand-in must never be found under its name by others. */
export async function buildImage(): Promise<Image> {
  const store = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "slate-image-" });
  const buildah = (...args: string[]) =>
    run("buildah", ["--root", join(store, "root"), "--runroot", join(store, "run"), ...args]);
  const remove = async () => {
    await buildah("rm", "--all");
    await Deno.remove(store, { recursive: true });
  };
  try {
    const dockerfile = await Deno.readTextFile(join(root, "Dockerfile"));
    const standIns = !await pull(buildah, basesOf(dockerfile));
    // A stand-in has the name and another digest.
    const built = standIns ? dockerfile.replaceAll(/^(FROM [^\s@]+)@\S+/gm, "$1") : dockerfile;
    const names = basesOf(built);
    if (standIns) { for (const name of names) await makeStandIn(buildah, name); }
    await Deno.writeTextFile(join(store, "Dockerfile"), built);
    console.log("building the image");
    const isolated = ["--isolation", "chroot", "--network", "host", "--pull-never"];
    // Only Docker's own format knows a health check.
    const named = ["--file", join(store, "Dockerfile"), "--tag", "slate"];
    await buildah("build", ...isolated, "--format", "docker", ...named, ".");
    const bases = new Map<string, number>();
    for (const name of names) bases.set(name, await sizeOf(buildah, name));
    const files = await buildah("mount", await buildah("from", "--pull-never", "slate"));
    const { Docker } = JSON.parse(await buildah("inspect", "--type", "image", "slate"));
    const size = await sizeOf(buildah, "slate");
    const config = Docker.config;
    return { files, config, size, bases, standIns, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The images that it begins from, each once. */
function basesOf(dockerfile: string): string[] {
  return [...new Set(Array.from(dockerfile.matchAll(/^FROM (\S+)/gm), ([, name]) => name!))];
}

type Buildah = (...args: string[]) => Promise<string>;

/** Whether a registry of images could be reached. */
async function pull(buildah: Buildah, names: string[]): Promise<boolean> {
  try {
    for (const name of names) await buildah("pull", "--quiet", name);
    return true;
  } catch {
    return false;
  }
}

async function sizeOf(buildah: Buildah, name: string): Promise<number> {
  const files = await buildah("mount", await buildah("from", "--pull-never", name));
  const [size] = (await run("du", ["--summarize", "--apparent-size", "--bytes", files])).split(
    "\t",
  );
  return Number(size);
}

/** What the base image would hold, as far as our Dockerfile can tell, under its name. */
async function makeStandIn(buildah: Buildah, name: string) {
  console.log(`no registry of images is in reach: making a stand-in of ${name}`);
  const container = await buildah("from", "scratch");
  if (name.includes("/dbmate:")) {
    await buildah("copy", container, await dbmateBinary(), "/usr/local/bin/dbmate");
  } else {
    const files = await buildah("mount", container);
    await run("sh", ["-euc", debian, "sh", files, Deno.execPath()]);
    const variables = ["DENO_DIR=/deno-dir", "DENO_TLS_CA_STORE=system"];
    for (const variable of variables) await buildah("config", "--env", variable, container);
  }
  await buildah("commit", "--quiet", "--rm", container, name);
}

/** A slim Debian of this machine's release, with Deno, its account, and whom this machine trusts. */
const debian = `
  . /etc/os-release
  debootstrap --variant=minbase --include=ca-certificates "$VERSION_CODENAME" "$1"
  cd "$1"
  rm -rf var/cache/apt/* var/lib/apt/lists/* usr/share/doc/* usr/share/man/* usr/share/locale/*
  cp --dereference "$2" usr/bin/deno
  cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
  chroot . useradd --uid 1993 --user-group deno
  mkdir deno-dir
  chroot . chown deno:deno /deno-dir`;
