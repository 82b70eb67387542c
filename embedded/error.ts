/** Says what is wrong and what to do; shown without a stack trace. */
export class EmbeddedError extends Error {
  override name = "EmbeddedError";
}
