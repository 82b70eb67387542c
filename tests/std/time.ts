/**
 * @std/testing/time as far as the tests use it, over @sinonjs/fake-timers. deno.jsr.json maps the
 * same name to the real one.
 */
import fakeTimers from "@sinonjs/fake-timers";

/** Replaces Date and the timers until it is disposed. */
export class FakeTime implements Disposable {
  #clock: ReturnType<typeof fakeTimers.install>;

  constructor(start: number | Date = new Date()) {
    this.#clock = fakeTimers.install({
      now: start,
      toFake: ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"],
    });
  }

  get now(): number {
    return this.#clock.now;
  }

  /** Moves the time on, and runs what becomes due. */
  tick(ms = 0) {
    this.#clock.tick(ms);
  }

  restore() {
    this.#clock.uninstall();
  }

  [Symbol.dispose]() {
    this.restore();
  }
}
