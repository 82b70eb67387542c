import type { Unit } from "./unit.ts";

/**
 * After a deadlock, the statements that it undid are done again one at a time, and until then no
 * other one with such a text is sent. Many rows at once that exclude each other would meet again and
 * again: PostgreSQL takes a second to find a deadlock, it undoes one statement, and another one has
 * come in its place by then. It costs those others that second, and a round trip for each that was
 * undone.
 */
export class Turns {
  /** The texts of those that met. */
  readonly #texts = new Set<string>();
  /** They are under way. */
  readonly #ahead = new Set<Unit>();
  /** They were undone: they come next, one at a time. */
  readonly #undone = new Set<Unit>();
  /** They came later: they come last, all at once. */
  readonly #behind = new Set<Unit>();
  readonly #start: (unit: Unit) => void;

  constructor(start: (unit: Unit) => void) {
    this.#start = start;
  }

  /**
   * A deadlock has undone the unit. Of the others, `sent` are under way, and `waiting` wait for a
   * connection: of those, it takes whoever has to wait for a turn.
   */
  undone(unit: Unit, sent: Unit[], waiting: Set<Unit>) {
    const text = unit.text!;
    if (!this.#texts.has(text)) {
      this.#texts.add(text);
      // One whose caller has left is never said to have ended.
      for (const other of sent) if (other.text === text && !other.done) this.#ahead.add(other);
      for (const other of waiting) if (this.waits(other)) waiting.delete(other);
    }
    this.#ahead.delete(unit);
    this.#undone.add(unit);
    this.#goOn();
  }

  /** Whether statements with its text take turns now. */
  concern({ text }: Unit): boolean {
    return this.#texts.size > 0 && this.#texts.has(text!);
  }

  /** Whether it is to wait for its turn: then it is started in it. */
  waits(unit: Unit): boolean {
    const waits = this.concern(unit) && !this.#ahead.has(unit);
    if (waits) this.#behind.add(unit);
    return waits;
  }

  /** It was done, or nobody waits for it any longer. */
  ended(unit: Unit) {
    if (!this.concern(unit)) return;
    for (const units of [this.#ahead, this.#undone, this.#behind]) units.delete(unit);
    this.#goOn();
  }

  #goOn() {
    if (this.#ahead.size > 0) return;
    const [next] = this.#undone;
    if (next) {
      this.#undone.delete(next);
      this.#ahead.add(next);
      return this.#start(next);
    }
    const behind = [...this.#behind];
    this.#behind.clear();
    this.#texts.clear();
    for (const unit of behind) this.#start(unit);
  }
}
