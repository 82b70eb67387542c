/**
 * Sets variables in the text of an .env file: in the line where one stands already, else at the
 * end. Every other line, comments included, stays as it is.
 */
export function setVariables(text: string, variables: Record<string, string>): string {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  for (const [name, value] of Object.entries(variables)) {
    const line = `${name}=${/^[\w:/.@%?&=+,-]*$/.test(value) ? value : JSON.stringify(value)}`;
    const at = lines.findLastIndex((l) => new RegExp(`^\\s*(export\\s+)?${name}\\s*=`).test(l));
    if (at === -1) lines.push(line);
    else lines[at] = line;
  }
  return `${lines.join("\n")}\n`;
}
