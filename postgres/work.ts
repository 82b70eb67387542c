/** Before anything is known of a statement. */
const unknownMs = 0.1;

/** No estimate is less: steps lead up from it again in a few answers. */
const leastMs = 0.01;

/** What an answer moves the estimate by: 25 answers lead from a tenth of a millisecond to 25. */
const step = 1.25;

/**
 * How long the server is at a statement with a certain text: about the median, lately. The mean would
 * not do. Where the processes of a machine wait for its cores, one answer of a hundred takes a
 * thousand times as long; statements would be spread over more connections for that, whose processes
 * would wait the more.
 */
export class Work {
  readonly #milliseconds = new Map<string | undefined, number>();

  /** Milliseconds. */
  of(text: string | undefined): number {
    return this.#milliseconds.get(text) ?? unknownMs;
  }

  /**
   * The server was at it for so many milliseconds; `sure`, if nothing else can have taken so long. That
   * is believed at once of a statement of which nothing is known.
   */
  took(text: string | undefined, ms: number, sure = false) {
    const isNew = !this.#milliseconds.has(text);
    const before = this.of(text);
    const after = isNew && sure ? ms : ms > before ? before * step : before / step;
    this.#milliseconds.set(text, Math.max(after, leastMs));
  }
}
