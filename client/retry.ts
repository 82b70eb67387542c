export interface RetryOptions {
  /** Requests at most, the first included. */
  attempts: number;
  /** The wait before the second attempt; twice as long before each further one. */
  backoffMs: number;
  /** The longest wait between two attempts. A server that asks for more is not asked again. */
  maxWaitMs: number;
}

const defaults: RetryOptions = { attempts: 3, backoffMs: 200, maxWaitMs: 10_000 };

/** Answers after which the same request may succeed: nothing was done, or nobody knows. */
const transient = new Set([429, 502, 503, 504]);

type Send = (request: Request) => Promise<Response>;

/**
 * A `send` that tries again after a broken connection or a transient answer, where that is safe: for
 * a method that changes nothing, and for a request with an Idempotency-Key, which is done once.
 */
export function retrying(send: Send, options: Partial<RetryOptions> = {}): Send {
  const { attempts, backoffMs, maxWaitMs } = { ...defaults, ...options };
  return async (request) => {
    const safe = ["GET", "HEAD"].includes(request.method) || request.headers.has("idempotency-key");
    for (let attempt = 1;; attempt++) {
      const last = !safe || attempt >= attempts;
      let wait = backoffMs * 2 ** (attempt - 1) * (0.5 + Math.random());
      try {
        // A body can be sent once, so all but the last attempt send a copy.
        const response = await send(last ? request : request.clone());
        if (last || !transient.has(response.status)) return response;
        wait = Math.max(wait, 1000 * Number(response.headers.get("retry-after") ?? 0));
        if (!(wait <= maxWaitMs)) return response;
        await response.body?.cancel();
      } catch (error) {
        if (last || request.signal.aborted) throw error;
      }
      await pause(Math.min(wait, maxWaitMs), request.signal);
    }
  };
}

/** Throws the signal's reason when it is aborted before the end. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", aborted);
    function done() {
      signal.removeEventListener("abort", aborted);
      resolve();
    }
    function aborted() {
      clearTimeout(timer);
      reject(signal.reason);
    }
  });
}
