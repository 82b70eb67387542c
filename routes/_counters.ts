/** All counters start again together, which needs neither a time nor a timer for each. */
export const windowMs = 60_000;

/** The most entries. A flood of new names pushes the oldest out instead of filling the memory. */
const most = 100_000;

/** A table that does not grow beyond its limit. */
export class Bounded<Value> {
  protected readonly entries = new Map<string, Value>();

  get(name: string): Value | undefined {
    return this.entries.get(name);
  }

  set(name: string, value: Value) {
    if (this.entries.size >= most && !this.entries.has(name)) {
      this.entries.delete(this.entries.keys().next().value!);
    }
    this.entries.set(name, value);
  }

  delete(name: string) {
    this.entries.delete(name);
  }
}

/** A table that is emptied every minute. */
export class Windowed<Value> extends Bounded<Value> {
  #end = 0;

  override get(name: string): Value | undefined {
    this.secondsLeft();
    return super.get(name);
  }

  /** Whole seconds until it is emptied, at least 1. */
  secondsLeft(): number {
    const now = Date.now();
    // A clock that was set back must not make a minute of hours.
    if (now >= this.#end || this.#end > now + windowMs) {
      this.entries.clear();
      this.#end = now + windowMs;
    }
    return Math.ceil((this.#end - now) / 1000);
  }
}

export class Counters extends Windowed<number> {
  increment(name: string): number {
    const n = (this.get(name) ?? 0) + 1;
    this.set(name, n);
    return n;
  }
}
