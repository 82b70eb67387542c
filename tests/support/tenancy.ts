/**
 * Whether a statement can touch another user's rows, told from its text as PostgreSQL's own grammar
 * reads it. What it cannot follow it refuses.
 */
import { parse } from "libpg-query";
import type { Json } from "./api.ts";

export interface Tenancy {
  /** The tables with an owner_id. */
  owned: Set<string>;
  /** The numbers of the parameters that hold the caller's own id. */
  owner: Set<number>;
}

/** The functions of PostgreSQL that read a table or a query by its text. */
const runsText = /^((query|table|cursor|schema|database)_to_xml|ts_stat$|ts_rewrite$)/;

/** A condition that holds for the rows of a table, whatever else is in the statement. */
type Condition = Json;

/** One table that a query reads or changes, with the conditions on it. */
interface Reference {
  node: Json;
  table: string;
  alias: string;
  conditions: Condition[];
}

/** What is wrong, a sentence each; nothing where every row is proven to be the caller's. */
export async function strayReferences(text: string, tenancy: Tenancy): Promise<string[]> {
  const parsed = await parse(text);
  const faults: string[] = [];
  const known = new Set<Json>();
  const ctes: string[] = [];
  const tables: Json[] = [];
  let proofs = 0;
  walk(parsed, (type, node, cte) => {
    if (type === "CommonTableExpr") ctes.push(node.ctename);
    if (type === "FuncCall" && runsText.test(node.funcname.at(-1).String.sval)) {
      faults.push(`${node.funcname.at(-1).String.sval}() reads what cannot be followed`);
    }
    if (type === "RangeVar" || type === "relation") tables.push(node);
    if (type === "RangeVar" && node.relname === "keys" && cte === "caller") proofs++;
  });
  for (const name of ctes) {
    if (tenancy.owned.has(name) || name === "users") faults.push(`the CTE ${name} hides a table`);
  }
  if (proofs !== 1 || ctes.filter((name) => name === "caller").length !== 1) {
    faults.push("it proves no caller, by one CTE of this name that reads keys");
  }
  walk(parsed, (type, node, cte) => {
    if (type === "InsertStmt") {
      known.add(node.relation);
      faults.push(...insertFaults(node, tenancy));
      return;
    }
    const changed = type === "UpdateStmt" || type === "DeleteStmt";
    if (!changed && type !== "SelectStmt") return;
    if (setsOwner(node)) faults.push(`${node.relation.relname}: its owner is changed`);
    const references = [
      ...(changed ? [reference(node.relation, [])] : []),
      ...[...(node.fromClause ?? []), ...(node.usingClause ?? [])].flatMap(referencesOf),
    ];
    const where = conjuncts(node.whereClause);
    for (const one of references) {
      known.add(one.node);
      const conditions = [...where, ...one.conditions];
      const proven = cte === "caller"
        ? conditions.some((condition) => comparesDigests(condition, one.alias))
        : conditions.some((condition) => isAllowed(condition, references));
      const fault = tenancy.owned.has(one.table)
        ? !conditions.some((condition) => bindsOwner(condition, one.alias, tenancy)) &&
          "is not bound to the caller's owner_id"
        : one.table === "users" && !conditions.some((c) =>
          bindsUser(c, one, conditions, tenancy)
        ) &&
          "is neither the caller nor read by an admin";
      const asked = tenancy.owned.has(one.table) || one.table === "users";
      if (asked && one.node.alias?.colnames) {
        faults.push(`${one.table} ${one.alias} has other names for its columns`);
      }
      if (fault) faults.push(`${one.table} ${one.alias} ${fault}`);
      if (asked && !proven) {
        faults.push(`${one.table} ${one.alias} does not ask for caller.allowed`);
      }
    }
  });
  for (const node of tables) {
    const asked = tenancy.owned.has(node.relname) || node.relname === "users";
    if (asked && !known.has(node)) {
      faults.push(`${node.relname} is referred to in a way that cannot be followed`);
    }
  }
  return faults;
}

/** Visits every node with its type, and the name of the CTE that it is in. */
function walk(
  value: Json,
  visit: (type: string, node: Json, cte: string | undefined) => void,
  cte?: string,
) {
  if (Array.isArray(value)) return value.forEach((item) => walk(item, visit, cte));
  if (typeof value !== "object" || value === null) return;
  for (const [type, node] of Object.entries<Json>(value)) {
    // The two sides of a union stand there without their name.
    const kind = /^[lr]arg$/.test(type) && node.targetList ? "SelectStmt" : type;
    if (typeof node === "object" && node !== null && !Array.isArray(node)) visit(kind, node, cte);
    walk(node, visit, type === "CommonTableExpr" ? node.ctename : cte);
  }
}

function reference(node: Json, conditions: Condition[]): Reference {
  const { relname, alias } = node;
  return { node, table: relname, alias: alias?.aliasname ?? relname, conditions };
}

/** The tables of an item of a `from`, each with the conditions of the joins that bind it. */
function referencesOf(item: Json): Reference[] {
  if (item.RangeVar) return [reference(item.RangeVar, [])];
  if (!item.JoinExpr) return [];
  const { jointype, larg, rarg, quals } = item.JoinExpr;
  const on = conjuncts(quals);
  const bound = (side: Json, holds: boolean) =>
    referencesOf(side).map((one) => ({
      ...one,
      conditions: [...one.conditions, ...(holds ? on : [])],
    }));
  return [
    ...bound(larg, ["JOIN_INNER", "JOIN_RIGHT"].includes(jointype)),
    ...bound(rarg, ["JOIN_INNER", "JOIN_LEFT"].includes(jointype)),
  ];
}

/** The conditions that all hold where this one does. */
function conjuncts(condition: Json): Condition[] {
  if (!condition) return [];
  const { BoolExpr: bool } = condition;
  return bool?.boolop === "AND_EXPR" ? bool.args.flatMap(conjuncts) : [condition];
}

/** The names of a column: ["t", "owner_id"]. */
function column(node: Json): string {
  return (node?.ColumnRef?.fields ?? []).map((field: Json) => field.String?.sval).join(".");
}

function parameter(node: Json): number | undefined {
  return node?.TypeCast ? parameter(node.TypeCast.arg) : node?.ParamRef?.number;
}

/** Both sides of an equality. */
function sides(condition: Condition): [Json, Json] | undefined {
  const { A_Expr: expression } = condition;
  const equal = expression?.kind === "AEXPR_OP" && expression.name[0].String.sval === "=";
  return equal ? [expression.lexpr, expression.rexpr] : undefined;
}

/** Whether it says that the column is the caller's own id. */
function bindsColumn(condition: Condition, name: string, { owner }: Tenancy): boolean {
  const [left, right] = sides(condition) ?? [];
  return (column(left) === name && owner.has(parameter(right)!)) ||
    (column(right) === name && owner.has(parameter(left)!));
}

function bindsOwner(condition: Condition, alias: string, tenancy: Tenancy): boolean {
  return bindsColumn(condition, `${alias}.owner_id`, tenancy);
}

/** Whether it is `(select allowed ... from caller)`, or `caller.allowed` where caller is read. */
function isAllowed(condition: Condition, references: Reference[]): boolean {
  return permissionOf(condition).some((part) => column(part) === "allowed") ||
    (column(condition) === "caller.allowed" &&
      references.some(({ table, alias }) => table === "caller" && alias === "caller"));
}

/** What all must hold in a `(select ... from caller)`. */
function permissionOf({ SubLink: link }: Condition): Condition[] {
  const { targetList, fromClause, whereClause, ...rest } = link?.subselect.SelectStmt ?? {};
  const fromCaller = link?.subLinkType === "EXPR_SUBLINK" && fromClause?.length === 1 &&
    fromClause[0].RangeVar?.relname === "caller" && targetList?.length === 1;
  if (!fromCaller || "larg" in rest) return [];
  return [...conjuncts(whereClause), ...conjuncts(targetList[0].ResTarget.val)];
}

/**
 * Whether a user is the caller itself, or anybody for an admin: `t.id` is the caller's id, or the
 * permission holds `(admin or id = $2)` beside `t.id = $2`, or the statement is an admin's at all.
 */
function bindsUser(
  condition: Condition,
  { alias }: Reference,
  all: Condition[],
  tenancy: Tenancy,
): boolean {
  if (bindsColumn(condition, `${alias}.id`, tenancy)) return true;
  return permissionOf(condition).some((part) => {
    if (column(part) === "admin") return true;
    const { BoolExpr: bool } = part;
    if (bool?.boolop !== "OR_EXPR" || bool.args.length !== 2) return false;
    const [admin, self] = bool.args;
    const [left, right] = sides(self) ?? [];
    return column(admin) === "admin" && column(left) === "id" && parameter(right) !== undefined &&
      all.some((one) => column(sides(one)?.[0]) === `${alias}.id`);
  });
}

/** Whether it compares digests that were hashed again, which is the caller's proof. */
function comparesDigests(condition: Condition, alias: string): boolean {
  const hashed = (node: Json) => node?.FuncCall?.funcname[0].String.sval === "sha256";
  const [left, right] = sides(condition) ?? [];
  return hashed(left) && hashed(right) &&
    JSON.stringify(left).includes(`{"sval":"${alias}"}`) &&
    JSON.stringify(left).includes("secret_hash");
}

function setsOwner({ relation, targetList = [] }: Json): boolean {
  return relation !== undefined &&
    targetList.some(({ ResTarget: target }: Json) => target?.name === "owner_id");
}

/** An insert takes its owner from the caller, and only where the caller is allowed to. */
function insertFaults(node: Json, { owned, owner }: Tenancy): string[] {
  const { relation: { relname: table }, cols = [], selectStmt, onConflictClause } = node;
  if (!owned.has(table) && table !== "users") return [];
  const faults: string[] = [];
  const { targetList = [], fromClause = [], whereClause, op } = selectStmt?.SelectStmt ?? {};
  if (owned.has(table)) {
    const at = cols.findIndex(({ ResTarget }: Json) => ResTarget.name === "owner_id");
    const value = targetList[at]?.ResTarget?.val;
    if (op !== "SETOP_NONE" || at < 0 || !owner.has(parameter(value)!)) {
      faults.push(`${table}: a new row does not take its owner_id from the caller`);
    }
  }
  const references = fromClause.flatMap(referencesOf);
  if (!conjuncts(whereClause).some((condition) => isAllowed(condition, references))) {
    faults.push(`${table}: a new row does not ask for caller.allowed`);
  }
  if (onConflictClause?.action === "ONCONFLICT_UPDATE") {
    faults.push(`${table}: what is there already, and may be another's, is changed`);
  }
  return faults;
}
