/**
 * @std/testing/mock as far as the tests use it. deno.jsr.json maps the same name to the real one.
 */
import { assertEquals } from "./assert.ts";

export interface SpyCall<Args extends unknown[], Return> {
  args: Args;
  returned?: Return;
  error?: unknown;
}

export interface Spy<Args extends unknown[], Return> {
  (...args: Args): Return;
  calls: SpyCall<Args, Return>[];
}

/** A function that does what the given one does, and remembers its calls. */
export function spy<Args extends unknown[] = [], Return = undefined>(
  func: (...args: Args) => Return = () => undefined as Return,
): Spy<Args, Return> {
  const calls: SpyCall<Args, Return>[] = [];
  const spied = (...args: Args): Return => {
    const call: SpyCall<Args, Return> = { args };
    calls.push(call);
    try {
      return call.returned = func(...args);
    } catch (error) {
      call.error = error;
      throw error;
    }
  };
  return Object.assign(spied, { calls });
}

export function assertSpyCalls<Args extends unknown[], Return>(
  spied: Spy<Args, Return>,
  expected: number,
) {
  assertEquals(spied.calls.length, expected);
}
