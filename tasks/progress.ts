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

/** The bar's longest, in characters. */
const longest = 24;

function widthOfTerminal(): number {
  try {
    // 0 where the terminal does not know.
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}

/**
 * The steps of a start, one after the other, as a bar that fills up. In a pipe it says nothing: there
 * each step's own lines tell as much.
 */
export function startProgress(
  steps: string[],
  terminal: Terminal = Deno.stderr,
  columns = widthOfTerminal,
): Progress {
  const write = (text: string) => {
    if (terminal.isTerminal()) terminal.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  };
  return {
    at(text, done = 0, total = 1) {
      const said = ` ${text}${total > 1 ? `, ${done} of ${total}` : ""}`;
      // A line that is wrapped cannot be written over, and the last column is the cursor's.
      const room = columns() - 1;
      const width = Math.max(0, Math.min(longest, room - said.length));
      const full = Math.round((steps.indexOf(text) + done / total) / steps.length * width);
      write(("█".repeat(full) + "░".repeat(width - full) + said).slice(0, Math.max(0, room)));
    },
    end: () => write(""),
  };
}
