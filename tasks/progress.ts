/** A line that says what is being done and how far, written over again and again. */
export interface Progress {
  /** Of `total` parts `done` are done, which are of what `text` says. */
  at(text: string, done?: number, total?: number): void;
  /** Takes the line away. */
  end(): void;
}

interface Terminal {
  isTerminal(): boolean;
  writeSync(bytes: Uint8Array): number;
}

const width = 24;

/**
 * The steps of a start, one after the other, as a bar that fills up. In a pipe it says nothing: there
 * each step's own lines tell as much.
 */
export function startProgress(steps: string[], terminal: Terminal = Deno.stderr): Progress {
  const write = (text: string) => {
    if (terminal.isTerminal()) terminal.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  };
  return {
    at(text, done = 0, total = 1) {
      const full = Math.round((steps.indexOf(text) + done / total) / steps.length * width);
      const bar = "█".repeat(full) + "░".repeat(width - full);
      write(`${bar} ${text}${total > 1 ? `, ${done} of ${total}` : ""}`);
    },
    end: () => write(""),
  };
}
