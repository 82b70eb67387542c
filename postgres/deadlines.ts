/** What must be done by a time on the clock that performance.now() reads. */
export interface Timed {
  deadlineAt: number;
}

/**
 * Deadlines that are all `lengthMs` away when they start, so that they pass in the order of their
 * start and one timer serves them all: one for each statement costs more than composing it.
 */
export class Deadlines<Item extends Timed> {
  readonly #running = new Set<Item>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly lengthMs: number, readonly passed: (item: Item) => void) {}

  /** How many are running. */
  get size(): number {
    return this.#running.size;
  }

  /** `item.deadlineAt` must be `lengthMs` from now. */
  start(item: Item) {
    this.#running.add(item);
    this.#timer ??= setTimeout(this.#pass, this.lengthMs);
  }

  end(item: Item) {
    this.#running.delete(item);
    if (this.#running.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pass = () => {
    this.#timer = undefined;
    for (const item of this.#running) {
      const leftMs = item.deadlineAt - performance.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(this.#pass, leftMs);
        return;
      }
      this.#running.delete(item);
      this.passed(item);
    }
  };
}

/** Resolves when the work is done, or when it has had its time. */
export function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
