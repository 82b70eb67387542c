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
    let text = whole.get(this.texts);
    if (text === undefined) {
      text = this.texts.reduce((before, after, n) => `${before}$${n}${after}`);
      whole.set(this.texts, text);
    }
    return text;
  }

  /**
   * The function that writes it, such as `createTodo`. Undefined where there is none, and where
   * nobody has asked for names before it was first written.
   */
  get writer(): string | undefined {
    return writers?.get(this.texts);
  }
}

const whole = new WeakMap<readonly string[], string>();

let writers: WeakMap<readonly string[], string> | undefined;

/**
 * From now on statements know who writes them, for whoever measures them. It costs a look at the
 * stack when a template takes a shape for the first time, and nothing after that.
 */
export function nameStatements() {
  writers ??= new WeakMap();
}

const here = new URL(".", import.meta.url).href;

/** The nearest function on the stack that is neither ours nor in a file of shared parts, `_page.ts`. */
function writerOf(stack: string): string | undefined {
  const frames = stack.matchAll(/ at (?:async )?(?:\w+\.)*(\w+) \((file:.+\/)([^/]+):\d+:\d+\)/g);
  for (const [, name, folder, file] of frames) {
    if (folder !== here && !file!.startsWith("_")) return name;
  }
}

/**
 * What a template has become so far, by what stood in its places. A statement of ten pieces is put
 * together once in each of its shapes: to do it for every request, and to let the driver find a text
 * of 2,000 characters that it has not seen, costs a tenth of a request.
 */
class Shape {
  texts: readonly string[] | undefined;
  #value: Shape | undefined;
  readonly #nested = new WeakMap<readonly string[], Shape>();

  withValue(): Shape {
    return this.#value ??= new Shape();
  }

  with({ texts }: Statement): Shape {
    let next = this.#nested.get(texts);
    if (!next) this.#nested.set(texts, next = new Shape());
    return next;
  }
}

const shapes = new WeakMap<TemplateStringsArray, Shape>();

/**
 * Writes SQL: `${value}` is a parameter, `${statement}` is SQL inside SQL. Not the driver's own tag,
 * which makes a promise of each piece: a statement of ten pieces cost as much as a third of a request.
 */
export function sql(strings: TemplateStringsArray, ...values: unknown[]): Statement {
  let shape = shapes.get(strings);
  if (!shape) shapes.set(strings, shape = new Shape());
  const parameters: unknown[] = [];
  for (const value of values) {
    if (value instanceof Statement) {
      shape = shape.with(value);
      for (const inner of value.values) parameters.push(inner);
    } else {
      shape = shape.withValue();
      parameters.push(value);
    }
  }
  if (!shape.texts) {
    shape.texts = compose(strings, values);
    const writer = writers && writerOf(new Error().stack!);
    if (writer) writers!.set(shape.texts, writer);
  }
  return new Statement(shape.texts, parameters);
}

function compose(strings: TemplateStringsArray, values: unknown[]): string[] {
  const texts: string[] = [];
  let last = strings[0]!;
  values.forEach((value, i) => {
    const nested = value instanceof Statement ? value.texts : ["", ""];
    for (const [n, text] of nested.entries()) {
      if (n === 0) last += text;
      else {
        texts.push(last);
        last = text;
      }
    }
    last += strings[i + 1];
  });
  return [...texts, last];
}
