import { type Schemas, SlateError } from "../client/mod.ts";

/** What the client gives for a request. */
interface Answer<Data> {
  data?: Data;
  error?: Schemas["Problem"];
  response: Response;
}

/**
 * The data of an answer; undefined for a 204. Throws SlateError for a problem, and an Error where
 * something else answered, such as a proxy without a body.
 */
export async function dataOf<Data>(pending: Promise<Answer<Data>>): Promise<Data> {
  const { data, error, response } = await pending;
  if (error?.code) throw new SlateError(error);
  if (response.ok && (data !== undefined || response.status === 204)) return data as Data;
  throw new Error(`${response.status} came back, which is no answer of Slate's`);
}
