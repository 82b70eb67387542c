/**
 * PostgreSQL's own parser, compiled to WebAssembly. Imported only by who needs it: it takes about
 * 100 ms to load.
 */
import { parse } from "libpg-query";
import type { Block } from "./migration_files.ts";

/** A statement's kind, such as IndexStmt, its fields, and where it begins. */
export interface ParsedStatement {
  kind: string;
  // deno-lint-ignore no-explicit-any -- PostgreSQL's parse tree, which has some 250 kinds of node
  fields: any;
  /** The text without what stands before it. */
  text: string;
  /** From 1, of the file. */
  line: number;
}

/** What PostgreSQL's grammar does not accept. */
export class GrammarError extends Error {
  override name = "GrammarError";
  constructor(message: string, /** From 1, of the file. */ readonly line: number) {
    super(message);
  }
}

/** The statements of a block, in order. Throws GrammarError. */
export async function parseBlock({ text, line }: Pick<Block, "text" | "line">): Promise<
  ParsedStatement[]
> {
  // Positions are in bytes.
  const bytes = new TextEncoder().encode(text);
  const slice = (from: number, to?: number) => new TextDecoder().decode(bytes.subarray(from, to));
  const lineAt = (position: number) => line + slice(0, position).split("\n").length - 1;
  let parsed;
  try {
    parsed = await parse(text);
  } catch (error) {
    const details = (error as { sqlDetails?: { message: string; cursorPosition: number } })
      .sqlDetails;
    if (!details) throw error;
    throw new GrammarError(details.message, lineAt(Math.max(0, details.cursorPosition)));
  }
  return (parsed.stmts ?? []).map(({ stmt, stmt_location = 0, stmt_len }) => {
    const whole = slice(
      stmt_location,
      stmt_len === undefined ? undefined : stmt_location + stmt_len,
    );
    // What the parser counts to a statement begins right behind the one before.
    const blank = /^(\s+|--[^\n]*\n|\/\*[^]*?\*\/)*/.exec(whole)![0];
    const [kind, fields] = Object.entries(stmt as Record<string, unknown>)[0]!;
    return {
      kind,
      fields,
      text: whole.slice(blank.length).trimEnd(),
      line: lineAt(stmt_location + new TextEncoder().encode(blank).length),
    };
  });
}
