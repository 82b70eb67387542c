import type { Client } from "./client.ts";
import type { Unit } from "./unit.ts";
import { fullMs } from "./watch.ts";

/** The server's places for connections, of which it may have fewer than the pool, or none. */
export class Places {
  #isFullUntil = -Infinity;
  #isOutUntil = -Infinity;

  constructor(readonly clients: readonly Client[]) {}

  /**
   * Whether a unit that the server kept out waits for the connections that are open, or for those
   * that are about to open: once for the latter, and not in the second after none has opened.
   */
  waits(unit: Unit, error: Error, now: number): boolean {
    const hasOpen = this.hasOpen();
    const mayOpen = !unit.refusal && now >= this.#isOutUntil && this.opens();
    if (!mayOpen && !hasOpen) return false;
    // Where the open ones break it dials again, as everybody does who waits for them.
    unit.refusal = hasOpen ? undefined : error;
    this.#isFullUntil = now + fullMs;
    return true;
  }

  /** None opens: nobody waits for it, and for a second whoever is kept out is told so at once. */
  none(now: number) {
    this.#isFullUntil = -Infinity;
    this.#isOutUntil = now + fullMs;
  }

  /** The server has no more, as it seems. */
  isFull(now: number): boolean {
    return now < this.#isFullUntil;
  }

  /** It was kept out, and does not dial again before it is known what becomes of the other dials. */
  isHoping(unit: Unit): boolean {
    return unit.refusal !== undefined && this.opens() && !this.hasOpen();
  }

  /** Whether a connection is about to open that somebody waits for. */
  opens(): boolean {
    return this.clients.some(({ phase, underWay: [first] }) =>
      phase === "dialling" && !first?.done
    );
  }

  /** Whether a connection is open, be it that its first statement is under way still. */
  hasOpen(): boolean {
    return this.clients.some((client) => !client.isOpening);
  }
}
