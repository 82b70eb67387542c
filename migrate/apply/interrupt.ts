import { signalNumbers } from "../command.ts";

type Signal = keyof typeof signalNumbers;

/** The signals that ask a command to end, while something is under way that must be ended well. */
export interface Interrupt extends Disposable {
  /** Aborted at the first signal. */
  signal: AbortSignal;
  /** 128+n of the signal that came, if one came. */
  code(): number | undefined;
}

/** Catches the signals until it is disposed. A second one changes nothing. */
export function catchSignals(): Interrupt {
  const controller = new AbortController();
  let received: Signal | undefined;
  const signals: Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGHUP", "SIGINT", "SIGTERM"];
  const listeners = signals.map((signal) => {
    const listener = () => {
      received ??= signal;
      controller.abort();
    };
    Deno.addSignalListener(signal, listener);
    return { signal, listener };
  });
  return {
    signal: controller.signal,
    code: () => received && 128 + signalNumbers[received],
    [Symbol.dispose]() {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    },
  };
}

/** Resolves after so many milliseconds, or at once when the signal comes. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.resolve();
  const timer = setTimeout(done, milliseconds);
  function done() {
    clearTimeout(timer);
    signal?.removeEventListener("abort", done);
    resolve();
  }
  signal?.addEventListener("abort", done);
  return promise;
}
