import { parse } from "libpg-query";

/** What a column's checks allow, as far as a schema can say it. */
export interface Bounds {
  /** The least and the greatest value, or those that a value is above and below. */
  least?: number;
  most?: number;
  above?: number;
  below?: number;
  /** The most characters, and whether none is allowed. */
  length?: number;
  empty?: boolean;
  /** The texts, where only these are allowed. */
  values?: string[];
}

// deno-lint-ignore no-explicit-any -- PostgreSQL's parse tree, which has some 250 kinds of node
type Node = any;

interface Check {
  name: string;
  column: string;
  definition: string;
}

/**
 * The bounds by column, read with PostgreSQL's own grammar, and the names of the checks that they say
 * all of. What else a check asks for only PostgreSQL knows.
 */
export async function readBounds(checks: Check[]) {
  const all = new Map<string, Bounds>();
  const wholly: string[] = [];
  for (const { name, column, definition } of checks) {
    const condition = definition.replace(/^CHECK /, "").replace(/ NOT VALID$/, "");
    const parsed: Node = await parse(`select ${condition}`);
    const bounds = all.get(column) ?? {};
    all.set(column, bounds);
    const parts = conjuncts(parsed.stmts[0].stmt.SelectStmt.targetList[0].ResTarget.val);
    // Each of them adds something, also behind one that is not understood.
    if (parts.map((part) => read(part, bounds)).every(Boolean)) wholly.push(name);
  }
  return { bounds: all, wholly };
}

function conjuncts(node: Node): Node[] {
  const { BoolExpr } = node;
  return BoolExpr?.boolop === "AND_EXPR" ? BoolExpr.args.flatMap(conjuncts) : [node];
}

/** Adds what a condition says to the bounds. Returns whether that is all of it. */
function read({ A_Expr: comparison }: Node, bounds: Bounds): boolean {
  if (!comparison) return false;
  const { kind, name, lexpr, rexpr } = comparison;
  const operator = name[0].String.sval;
  if (kind === "AEXPR_OP_ANY" && operator === "=") {
    const values = texts(rexpr);
    if (values) bounds.values = values;
    return values !== undefined;
  }
  const number = numberOf(rexpr);
  if (kind !== "AEXPR_OP" || number === undefined) return false;
  const side = sides[operator];
  if (!side) return false;
  if (lexpr.ColumnRef) {
    bounds[side] = number;
    return true;
  }
  if (!isLength(lexpr)) return false;
  const length = side === "above" ? number + 1 : side === "below" ? number - 1 : number;
  if (side === "most" || side === "below") {
    bounds.length = length;
    return true;
  }
  bounds.empty = length === 0;
  return length <= 1;
}

const sides: Record<string, "least" | "most" | "above" | "below"> = {
  ">=": "least",
  "<=": "most",
  ">": "above",
  "<": "below",
};

function isLength({ FuncCall }: Node): boolean {
  return /^(char_)?length$/.test(FuncCall?.funcname.at(-1).String.sval ?? "");
}

function numberOf(node: Node): number | undefined {
  if (node.TypeCast) return numberOf(node.TypeCast.arg);
  if (node.A_Expr?.name[0].String.sval === "-" && !node.A_Expr.lexpr) {
    const number = numberOf(node.A_Expr.rexpr);
    return number === undefined ? undefined : -number;
  }
  const { A_Const } = node;
  // Protobuf leaves a zero out.
  if (A_Const?.ival) return A_Const.ival.ival ?? 0;
  return A_Const?.fval ? Number(A_Const.fval.fval) : undefined;
}

/** The texts of `array['a', 'b']`, cast or not. */
function texts(node: Node): string[] | undefined {
  if (node.TypeCast) return texts(node.TypeCast.arg);
  const elements: Node[] = node.A_ArrayExpr?.elements ?? [];
  const values = elements.map((element) => (element.TypeCast?.arg ?? element).A_Const?.sval?.sval);
  return elements.length > 0 && values.every((value) => typeof value === "string")
    ? values
    : undefined;
}
