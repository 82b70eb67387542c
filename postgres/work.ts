/** Nothing is put behind a statement that has run for so many milliseconds beside the round trip. */
export const slowMs = 25;

/**
 * Before anything is known of a statement: a few of them share a connection. If they turn out to be
 * slow, each holds up those behind it.
 */
const unknownMs = 2;

/** No estimate is less: steps lead up from it again in a few answers. */
const leastMs = 0.01;

/** Statements that are known at most: the one that came first is forgotten for another one. */
const mostTexts = 1000;

/** What an answer moves the estimate by: 25 answers lead from a tenth of a millisecond to 25. */
const step = 1.25;

/**
 * How long the server is at a statement with a certain text: about the median, lately. The mean would
 * not do. Where the processes of a machine wait for its cores, one answer of a hundred takes a
 * thousand times as long; statements would be spread over more connections for that, whose processes
 * would wait the more.
 */
export class Work {
  /** The shortest time in which an answer came, which is forgotten by and by; a long one at first. */
  roundTripMs = 250;
  readonly #milliseconds = new Map<string | undefined, number>();

  /** Milliseconds. */
  of(text: string | undefined): number {
    return this.#milliseconds.get(text) ?? unknownMs;
  }

  /**
   * A connection has its first answer, so many milliseconds after the dial: at least four ways there
   * and back. Where they are long, nothing else says it before an answer comes on an open one.
   */
  opened(afterMs: number) {
    if (this.#milliseconds.size === 0) this.roundTripMs = Math.max(this.roundTripMs, afterMs / 4);
  }

  /** An answer came, so many milliseconds after its statement was sent, and after the one before it. */
  heard(text: string | undefined, afterMs: number, sinceMs: number) {
    this.roundTripMs = Math.min(afterMs, this.roundTripMs * 1.001);
    const workMs = Math.min(sinceMs, afterMs - this.roundTripMs);
    // The former, where it was sent before the last answer came. The latter holds the way's delays.
    const sure = workMs - this.roundTripMs > slowMs;
    const before = this.of(text);
    const isNew = !this.#milliseconds.has(text) && workMs < before;
    if (workMs === sinceMs || sure || isNew || before > slowMs) this.took(text, workMs, sure);
  }

  /**
   * The server was at it for so many milliseconds; `sure`, if nothing else can have taken so long. That
   * is believed at once of a statement of which nothing is known, as is that it is fast.
   */
  took(text: string | undefined, ms: number, sure = false) {
    const isNew = !this.#milliseconds.has(text);
    const before = this.of(text);
    const believed = isNew && (sure || ms < before);
    const after = believed ? ms : ms > before ? before * step : before / step;
    if (isNew && this.#milliseconds.size === mostTexts) {
      this.#milliseconds.delete(this.#milliseconds.keys().next().value);
    }
    this.#milliseconds.set(text, Math.max(after, leastMs));
  }
}
