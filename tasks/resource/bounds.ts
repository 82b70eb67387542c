import { parse } from "libpg-query";

/** What a column's checks allow, as far as a schema can say it. */
export interface Bounds {
  /** The least and the greatest value. */
  least?: number;
  most?: number;
  /** The most characters, and whether none is allowed. */
  length?: number;
  empty?: boolean;
  /** The texts, where only these are allowed. */
  values?: string[];
}

// deno-lint-ignore no-explicit-any -- PostgreSQL's parse tree, which has some 250 kinds of node
type Node = any;

/** The bounds by column, read with PostgreSQL's own grammar. A check of another form adds nothing. */
export async function readBounds(checks: [column: string, definition: string][]) {
  const all = new Map<string, Bounds>();
  for (const [column, definition] of checks) {
    const condition = definition.replace(/^CHECK /, "").replace(/ NOT VALID$/, "");
    const parsed: Node = await parse(`select ${condition}`);
    const bounds = all.get(column) ?? {};
    all.set(column, bounds);
    for (const part of conjuncts(parsed.stmts[0].stmt.SelectStmt.targetList[0].ResTarget.val)) {
      read(part, bounds);
    }
  }
  return all;
}

function conjuncts(node: Node): Node[] {
  const { BoolExpr } = node;
  return BoolExpr?.boolop === "AND_EXPR" ? BoolExpr.args.flatMap(conjuncts) : [node];
}

function read({ A_Expr: comparison }: Node, bounds: Bounds) {
  if (!comparison) return;
  const { kind, name, lexpr, rexpr } = comparison;
  const operator = name[0].String.sval;
  if (kind === "AEXPR_OP_ANY" && operator === "=") {
    const values = texts(rexpr);
    if (values) bounds.values = values;
    return;
  }
  const number = numberOf(rexpr);
  if (kind !== "AEXPR_OP" || number === undefined) return;
  const least = operator === ">=" ? number : operator === ">" ? number + 1 : undefined;
  const most = operator === "<=" ? number : operator === "<" ? number - 1 : undefined;
  if (isLength(lexpr)) {
    if (most !== undefined) bounds.length = most;
    if (least !== undefined) bounds.empty = least === 0;
  } else if (lexpr.ColumnRef) {
    if (least !== undefined) bounds.least = least;
    if (most !== undefined) bounds.most = most;
  }
}

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
