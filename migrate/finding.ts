/** Something wrong in a file. Shown as `path:line: message; remedy`. */
export interface Finding {
  path: string;
  /** From 1; 0 where the file as a whole, or its name, is meant. */
  line: number;
  message: string;
  remedy: string;
}

/** The finding as a line of a message. */
export function formatFinding({ path, line, message, remedy }: Finding): string {
  return `${path}${line > 0 ? `:${line}` : ""}: ${message}; ${remedy}`;
}
