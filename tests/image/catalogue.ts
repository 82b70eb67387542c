import type { Server } from "../support/server.ts";
import type { Image } from "./buildah.ts";
import { content } from "./content.ts";
import { life } from "./life.ts";
import { rights } from "./rights.ts";

export interface Scene {
  image: Image;
  server: Server;
}

export interface Check {
  name: string;
  /** Says what was seen. Throws what is wrong. */
  run(scene: Scene): string | Promise<string>;
}

export const checks: Check[] = [...content, ...rights, ...life];
