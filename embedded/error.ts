/** What went wrong and what to do, to be shown without a stack trace. */
export class EmbeddedError extends Error {
  override name = "EmbeddedError";
}
