/**
 * A piece of SQL with its parameters. A complete one is a statement; it runs only when it is handed
 * to a Database. Composed with the `sql` tag, which never puts a value into the text.
 */
export class Statement {
  constructor(
    /** The SQL around the values: one text more than there are values. */
    readonly texts: readonly string[],
    readonly values: readonly unknown[],
  ) {}

  /** As PostgreSQL takes it: `$1` stands for the first value. */
  get text(): string {
    let text = this.texts[0]!;
    for (let n = 1; n < this.texts.length; n++) text += `$${n}${this.texts[n]}`;
    return text;
  }
}

/**
 * Writes SQL: `${value}` is a parameter, `${statement}` is SQL inside SQL. Not the driver's own tag,
 * which makes a promise of each piece: a statement of ten pieces cost as much as a third of a request.
 */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Statement {
  const texts = [strings[0]!];
  const parameters: unknown[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value instanceof Statement) {
      texts[texts.length - 1] += value.texts[0]!;
      for (let n = 1; n < value.texts.length; n++) texts.push(value.texts[n]!);
      parameters.push(...value.values);
    } else {
      texts.push("");
      parameters.push(value);
    }
    texts[texts.length - 1] += strings[i + 1]!;
  }
  return new Statement(texts, parameters);
}
