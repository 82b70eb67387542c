/** The project whose migrations these are: the folder that the command is run in. */
export const root = Deno.cwd();
