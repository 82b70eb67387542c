/**
 * @std/assert as far as the tests use it, over node:assert: JSR is out of reach of networks that
 * carry only npm. deno.jsr.json maps the same name to the real package.
 */
import assertion from "node:assert/strict";

export const AssertionError = assertion.AssertionError;

export function assert(condition: unknown, message = ""): asserts condition {
  assertion.ok(condition, message || undefined);
}

export function assertEquals<T>(actual: T, expected: T, message?: string) {
  assertion.deepStrictEqual(actual, expected, message);
}

export function assertNotEquals<T>(actual: T, expected: T, message?: string) {
  assertion.notDeepStrictEqual(actual, expected, message);
}

export function assertExists<T>(actual: T, message?: string): asserts actual is NonNullable<T> {
  assertion.ok(actual !== undefined && actual !== null, message);
}

export function assertMatch(actual: string, expected: RegExp, message?: string) {
  assertion.match(actual, expected, message);
}

export function assertNotMatch(actual: string, expected: RegExp, message?: string) {
  assertion.doesNotMatch(actual, expected, message);
}

export function assertStringIncludes(actual: string, expected: string, message?: string) {
  assertion.ok(
    actual.includes(expected),
    message ?? `expected ${JSON.stringify(actual)} to contain ${JSON.stringify(expected)}`,
  );
}

export function assertGreater<T>(actual: T, expected: T, message?: string) {
  assertion.ok(actual > expected, message ?? `expected ${actual} to be greater than ${expected}`);
}

export function assertLess<T>(actual: T, expected: T, message?: string) {
  assertion.ok(actual < expected, message ?? `expected ${actual} to be less than ${expected}`);
}

export async function assertRejects<E extends Error = Error>(
  run: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- as the real one: any constructor
  ErrorClass?: new (...args: any[]) => E,
  messageIncludes = "",
): Promise<E> {
  let caught: unknown;
  try {
    await run();
  } catch (error) {
    caught = error;
  }
  assertion.ok(caught instanceof (ErrorClass ?? Error), `expected a rejection, got ${caught}`);
  assertStringIncludes(caught.message, messageIncludes);
  return caught as E;
}

export function assertThrows<E extends Error = Error>(
  run: () => unknown,
  // deno-lint-ignore no-explicit-any -- as the real one: any constructor
  ErrorClass?: new (...args: any[]) => E,
  messageIncludes = "",
): E {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  assertion.ok(caught instanceof (ErrorClass ?? Error), `expected an error, got ${caught}`);
  assertStringIncludes(caught.message, messageIncludes);
  return caught as E;
}
