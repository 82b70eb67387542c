/** The items of a list with commas, in lines of at most 96 characters, each with the indent. */
export function wrapped(items: string[], indent: string): string {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last === undefined || indent.length + last.length + item.length > 94) lines.push(item);
    else lines[lines.length - 1] = `${last}, ${item}`;
  }
  return lines.join(`,\n${indent}`);
}
