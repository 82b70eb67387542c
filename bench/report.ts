/** Cells of a table; the first row is its head. The first column is text, the others are numbers. */
export function table([head, ...rows]: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const rule = line(head!.map((_, i) => i === 0 ? "---" : "--:"));
  return [line(head!), rule, ...rows.map(line)].join("\n");
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** What was measured where and when. */
export function machine(): string {
  const model = Deno.readTextFileSync("/proc/cpuinfo").match(/model name\s*: (.*)/)?.[1] ?? "";
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const cores = navigator.hardwareConcurrency;
  return `${model}, ${cores} cores, ${memory} GB, ${Deno.build.target}, ` +
    `${new Date().toISOString().slice(0, 10)}`;
}

/** Whether it is only to be shown that the bench runs. */
export const smoke = Deno.args.includes("--smoke");

const file = new URL("RESULTS.md", import.meta.url);

/** Prints a section and writes it to RESULTS.md in the place of the last one of that name. */
export async function record(title: string, text: string) {
  console.log(`\n## ${title}\n\n${text}`);
  // Figures of a moment mean nothing.
  if (smoke) return;
  const old = await Deno.readTextFile(file);
  const sections = old.split(/^(?=## )/m).filter((part) => !part.startsWith(`## ${title}\n`));
  sections.push(`## ${title}\n\n${text}\n`);
  await Deno.writeTextFile(file, sections.map((part) => part.trim()).join("\n\n") + "\n");
  // As the gates want it, which may be what is measured next.
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", file.pathname] }).output();
}
