/** When a unit of work must be done, and what happens when it is not. */
export class Deadline {
  #passed = false;
  #give: () => void = () => {};

  constructor(
    /** On the clock that performance.now() reads. */
    readonly at: number,
  ) {}

  /** From now on `give` is what happens; at once if the time is over already. */
  otherwise(give: () => void) {
    this.#give = give;
    if (this.#passed) give();
  }

  pass() {
    this.#passed = true;
    this.#give();
  }
}

/**
 * Deadlines that are all `length` milliseconds away when they start, so that they pass in the order
 * of their start and one timer serves them all: one for each statement costs more than composing it.
 */
export class Deadlines {
  readonly #running = new Set<Deadline>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly length: number) {}

  start(): Deadline {
    const deadline = new Deadline(performance.now() + this.length);
    this.#running.add(deadline);
    this.#timer ??= setTimeout(this.#pass, this.length);
    return deadline;
  }

  end(deadline: Deadline) {
    this.#running.delete(deadline);
    if (this.#running.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pass = () => {
    this.#timer = undefined;
    for (const deadline of this.#running) {
      const left = deadline.at - performance.now();
      if (left > 0) {
        this.#timer = setTimeout(this.#pass, left);
        return;
      }
      this.#running.delete(deadline);
      deadline.pass();
    }
  };
}
