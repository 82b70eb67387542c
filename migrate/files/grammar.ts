/**
 * PostgreSQL's own parser, compiled to WebAssembly. Imported only by who needs it: it takes about
 * 100 ms to load.
 */
import { parse } from "libpg-query";
import type { Block } from "./migrations.ts";

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
  // The parser refuses a text that is empty.
  if (text === "") return [];
  // Positions are in bytes.
  const bytes = new TextEncoder().encode(text);
  const slice = (from: number, to?: number) => new TextDecoder().decode(bytes.subarray(from, to));
  const linesIn = (from: number, to: number) => slice(from, to).split("\n").length - 1;
  let parsed;
  try {
    parsed = await parse(text);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new GrammarError("is nested too deeply for PostgreSQL's parser", line);
    }
    const details = (error as { sqlDetails?: { message: string; cursorPosition: number } })
      .sqlDetails;
    if (!details) throw error;
    const at = lineAt(text, details.cursorPosition + 1);
    // Of a text that does not end it quotes all that follows.
    const words = details.message.replace(/\s*\n[^]*"$/, ' ..."');
    throw new GrammarError(words, at === 0 ? line : line + at - 1);
  }
  let seen = 0;
  let seenLine = line;
  return (parsed.stmts ?? []).map(({ stmt, stmt_location: start = 0, stmt_len: length }) => {
    const whole = slice(start, length === undefined ? undefined : start + length);
    // What the parser counts to a statement begins right behind the one before.
    const blank = /^(\s+|--[^\n]*\n|\/\*[^]*?\*\/)*/.exec(whole)![0];
    const [kind, fields] = Object.entries(stmt as Record<string, unknown>)[0]!;
    const begin = start + new TextEncoder().encode(blank).length;
    seenLine += linesIn(seen, begin);
    seen = begin;
    return { kind, fields, text: whole.slice(blank.length).trimEnd(), line: seenLine };
  });
}

/** Where PostgreSQL names no position: the only statement's line, else the directive's. */
export async function likelyLine(block: Pick<Block, "text" | "line">): Promise<number> {
  try {
    const statements = await parseBlock(block);
    return statements.length === 1 ? statements[0]!.line : block.line;
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    return block.line;
  }
}

/** The line of a position as PostgreSQL counts them, in characters from 1; 0 where it has none. */
export function lineAt(text: string, position: number): number {
  if (position <= 0) return 0;
  let line = 1;
  for (const character of text) {
    if (--position <= 0) break;
    if (character === "\n") line++;
  }
  return line;
}
