import type { ParsedStatement } from "./grammar.ts";
import type { Finding } from "../finding.ts";
import type { Block, Migration } from "./migrations.ts";

type Fault = Pick<Finding, "rule" | "message" | "remedy">;

/** What `diff` and `new` write where a person has to say the reason. */
const unwritten = ["-- Why: say it here.", "-- Why: the reason, in a sentence or two."];

/**
 * Whether dbmate will apply a migration the way its author means, as far as the text tells:
 * transactions, settings that leak, statements that do not go together. Knows no database.
 */
export async function checkForm(migration: Migration): Promise<Finding[]> {
  const up = await checkBlock(migration, migration.up, "up");
  const down = await checkBlock(migration, migration.down, "down");
  return [...up, ...down];
}

/** A draft's or a template's place for the reason, which nobody has filled. */
export function checkHeader({ path, text }: Migration): Finding[] {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => unwritten.some((words) => line.startsWith(words)));
  if (at === -1) return [];
  return [{
    path,
    line: at + 1,
    rule: "unwritten",
    message: "nobody has written down why",
    remedy: "say the reason here",
  }];
}

async function checkBlock(
  migration: Migration,
  block: Block,
  kind: "up" | "down",
): Promise<Finding[]> {
  const { GrammarError, parseBlock } = await import("./grammar.ts");
  const finding = (line: number, fault: Fault): Finding => ({
    path: migration.path,
    line,
    ...fault,
  });
  let statements: ParsedStatement[];
  try {
    statements = await parseBlock(block);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    const remedy = /^\\/m.test(block.text)
      ? "leave psql's backslash commands out, dbmate sends plain SQL"
      : "PostgreSQL would refuse it: correct it";
    return [finding(error.line, { rule: "syntax", message: error.message, remedy })];
  }
  const findings: Finding[] = [];
  const empty = emptiness(migration, block, statements, kind);
  if (empty) findings.push(finding(block.line, empty));
  const settings: Finding[] = [];
  for (const [i, statement] of statements.entries()) {
    const others = { before: statements.slice(0, i), after: statements.slice(i + 1) };
    const faults = [
      transactionControl(statement),
      leak(statement, others),
      outside(statement, block),
      waiting(statement),
    ];
    for (const fault of faults) {
      if (!fault) continue;
      const list = fault.rule === "session-setting" ? settings : findings;
      list.push(finding(statement.line, fault));
    }
  }
  if (settings[0]) findings.push(asOne(settings[0], settings.slice(1), block));
  const second = statements[1];
  if (!block.transaction && second) {
    findings.push(finding(second.line, {
      rule: "second-statement",
      message:
        "a second statement under transaction:false, which PostgreSQL runs as one transaction",
      remedy: "give it a migration of its own",
    }));
  }
  return findings;
}

function emptiness(
  migration: Migration,
  block: Block,
  statements: ParsedStatement[],
  kind: "up" | "down",
): Fault | undefined {
  // Where there is no block at all, that is what is said.
  if (statements.length === 0 && block.line > 0) {
    return {
      rule: kind === "up" ? "empty-up" : "empty-down",
      message: `the ${kind} block has no statement, and dbmate would record it as done`,
      remedy: kind === "up"
        ? "write it, or delete the file"
        : "write it, or say `-- irreversible: <reason>` above it and raise an exception in it",
    };
  }
  if (
    kind === "down" && migration.irreversible && !statements.some(({ kind }) => kind === "DoStmt")
  ) {
    return {
      rule: "irreversible",
      message: "is said to be irreversible, and its down runs all the same",
      remedy: "let the down raise: do $$ begin raise exception 'irreversible'; end $$;",
    };
  }
}

const controls: Record<string, string> = {
  TRANS_STMT_BEGIN: "begin",
  TRANS_STMT_START: "start transaction",
  TRANS_STMT_COMMIT: "commit",
  TRANS_STMT_ROLLBACK: "rollback",
  TRANS_STMT_PREPARE: "prepare transaction",
  TRANS_STMT_COMMIT_PREPARED: "commit prepared",
  TRANS_STMT_ROLLBACK_PREPARED: "rollback prepared",
};

function transactionControl({ kind, fields }: ParsedStatement): Fault | undefined {
  const control = kind === "TransactionStmt" ? controls[fields.kind] : undefined;
  if (!control) return;
  return {
    rule: "transaction-control",
    message:
      `\`${control}\` inside a block ends dbmate's own transaction, and a failure leaves half of it`,
    remedy: "leave it out: each block is one transaction",
  };
}

/** What outlives the block in dbmate's session and meets the next file, unless the block undoes it. */
function leak(
  statement: ParsedStatement,
  { before, after }: { before: ParsedStatement[]; after: ParsedStatement[] },
): Fault | undefined {
  const { kind, fields, text } = statement;
  const isSetting = kind === "VariableSetStmt" && !fields.is_local && fields.name !== "TRANSACTION";
  const undone = after.some((later) => resets(later, fields.name)) ||
    before.some((earlier) => earlier.fields.name && resets(statement, earlier.fields.name));
  if (isSetting && !undone) {
    return {
      rule: "session-setting",
      message: `\`${firstLine(text)}\` lasts for the session and changes the migrations after it`,
      remedy: fields.name === "search_path"
        // With `set local` dbmate would look for its table in that schema.
        ? "end the block with `reset search_path`, or qualify the names"
        : "write `set local`, or qualify the names",
    };
  }
  const configured = kind === "SelectStmt" ? setForSession(fields) : [];
  if (configured.some((name) => !after.some((later) => resets(later, name)))) {
    return {
      rule: "session-setting",
      message: "set_config(..., false) lasts for the session and changes the migrations after it",
      remedy: "give it true as the third argument, or qualify the names",
    };
  }
  const relation = fields.relation ?? (fields.into ?? fields.intoClause)?.rel ?? fields.view ??
    fields.sequence;
  if (
    /^(Create|View|Select)/.test(kind) && relation?.relpersistence === "t" && !dropsOnCommit(fields)
  ) {
    if (after.some((later) => drops(later, relation.relname))) return;
    return {
      rule: "temporary-table",
      message: "a temporary table that the migrations after it can see",
      remedy: "add `on commit drop`, or drop it in the same block",
    };
  }
}

/** The settings of a block, of which a dump has a dozen, are one fault with one remedy. */
function asOne(setting: Finding, others: Finding[], { transaction }: Block): Finding {
  const remedy = !transaction
    ? "leave it out: outside a transaction nothing takes it back"
    : others.length > 0
    ? "end the block with `reset all`, or write `set local`"
    : setting.remedy;
  if (others.length === 0) return { ...setting, remedy };
  const [what] = setting.message.split(" lasts for");
  const lines = others.map(({ line }) => line).join(", ");
  const message = `${what} and what ${others.length > 1 ? "lines" : "line"} ${lines} ` +
    `${others.length > 1 ? "set" : "sets"} last for the session and change the migrations after it`;
  return { ...setting, message, remedy };
}

/** `reset x`, `set x to default`, `reset all`. */
function resets({ kind, fields }: ParsedStatement, name: string): boolean {
  if (kind !== "VariableSetStmt" || fields.is_local) return false;
  return fields.kind === "VAR_RESET_ALL" ||
    /^VAR_(RESET|SET_DEFAULT)$/.test(fields.kind) && fields.name === name;
}

function drops({ kind, fields }: ParsedStatement, name: string): boolean {
  if (kind === "DiscardStmt") return fields.target === "DISCARD_TEMP";
  if (kind !== "DropStmt") return false;
  const objects: { List?: { items: { String?: { sval: string } }[] } }[] = fields.objects ?? [];
  return objects.some(({ List }) => List?.items.at(-1)?.String?.sval === name);
}

/** The settings that `set_config` gives the session; "" for one whose name is computed. */
// deno-lint-ignore no-explicit-any -- a parse tree
function setForSession(fields: any): string[] {
  // deno-lint-ignore no-explicit-any -- a parse tree
  return (fields.targetList ?? []).flatMap(({ ResTarget }: any) => {
    const call = ResTarget?.val?.FuncCall;
    const name = call?.funcname?.at(-1)?.String?.sval;
    const local = call?.args?.[2]?.A_Const;
    if (name !== "set_config" || local === undefined || local.boolval?.boolval) return [];
    return [call.args[0]?.A_Const?.sval?.sval ?? ""];
  });
}

// deno-lint-ignore no-explicit-any -- a parse tree
function dropsOnCommit(fields: any): boolean {
  return fields.oncommit === "ONCOMMIT_DROP" || fields.into?.onCommit === "ONCOMMIT_DROP";
}

/** Statements that a transaction cannot hold, and the trap among them. */
function outside({ kind, fields, text }: ParsedStatement, block: Block): Fault | undefined {
  if (kind === "IndexStmt" && fields.concurrent && fields.if_not_exists) {
    return {
      rule: "concurrently-if-not-exists",
      message: "`concurrently if not exists` passes over an invalid index of that name",
      remedy: "leave `if not exists` out, so that a failed build is seen",
    };
  }
  if (!block.transaction || !refusesTransaction(kind, fields)) return;
  return {
    rule: "not-in-transaction",
    message: `\`${firstLine(text)}\` cannot run inside a transaction`,
    remedy: "write transaction:false behind the directive, and keep it the only statement",
  };
}

/** What waits for data that nobody sends. */
export function waiting({ kind, fields }: ParsedStatement): Fault | undefined {
  if (kind !== "CopyStmt" || fields.filename || fields.is_program) return;
  return {
    rule: "copy-waits",
    message: "`copy` waits for data that dbmate never sends",
    remedy: "write `insert`, or bring the data in by psql's \\copy",
  };
}

// deno-lint-ignore no-explicit-any -- a parse tree
function refusesTransaction(kind: string, fields: any): boolean {
  if (isConcurrent(kind, fields)) return true;
  switch (kind) {
    case "VacuumStmt":
      return fields.is_vacuumcmd === true;
    case "ReindexStmt":
      return /DATABASE|SYSTEM|SCHEMA/.test(fields.kind);
    case "ClusterStmt":
      return fields.relation === undefined;
    case "CreatedbStmt":
    case "DropdbStmt":
    case "CreateTableSpaceStmt":
    case "DropTableSpaceStmt":
    case "AlterSystemStmt":
      return true;
    default:
      return false;
  }
}

/** Whether a statement works beside readers and writers, waiting for them as long as it takes. */
// deno-lint-ignore no-explicit-any -- a parse tree
export function isConcurrent(kind: string, fields: any): boolean {
  switch (kind) {
    case "IndexStmt":
      return fields.concurrent === true;
    case "DropStmt":
      return fields.concurrent === true;
    case "ReindexStmt":
      // deno-lint-ignore no-explicit-any -- a parse tree
      return (fields.params ?? []).some((p: any) => p.DefElem?.defname === "concurrently");
    case "AlterTableStmt":
      // deno-lint-ignore no-explicit-any -- a parse tree
      return (fields.cmds ?? []).some((c: any) =>
        c.AlterTableCmd?.subtype === "AT_DetachPartition" &&
        c.AlterTableCmd.def?.PartitionCmd?.concurrent
      );
    default:
      return false;
  }
}

function firstLine(text: string): string {
  const line = text.split("\n")[0]!;
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}
