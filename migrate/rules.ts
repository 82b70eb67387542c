/**
 * What a finding weighs: an error ends `check` with 1 and keeps `up` from running the file, a
 * warning is said, what is off is not looked at.
 */
export type Level = "error" | "warning" | "off";

/** Every rule of the command's own, with what it weighs where the project says nothing. */
const usual = {
  // Of files: what dbmate makes of them.
  "ignored-file": "warning",
  "file-name": "warning",
  "duplicate-version": "error",
  "version-order": "error",
  "encoding": "error",
  "file-size": "error",
  "directive": "error",
  "missing-up": "error",
  "missing-down": "error",
  "second-block": "error",
  "unknown-option": "error",
  "syntax": "error",
  // Of the statements in a block.
  "empty-up": "warning",
  "empty-down": "warning",
  "irreversible": "error",
  "transaction-control": "error",
  "session-setting": "error",
  "temporary-table": "error",
  "second-statement": "error",
  "copy-waits": "error",
  "not-in-transaction": "error",
  "concurrently-if-not-exists": "warning",
  "unwritten": "error",
  // Of the proofs.
  "up-fails": "error",
  "down-fails": "error",
  "down-leaves": "error",
  "up-again-fails": "error",
  "up-again-differs": "error",
  "up-fails-with-rows": "error",
  "down-fails-with-rows": "error",
  "up-loses": "error",
  "sequence-behind": "error",
  "rewrite": "error",
  "scan-under-lock": "error",
  "queries": "error",
  // Of a database.
  "edited": "error",
  "missing": "error",
  "out-of-order": "error",
  "unfinished": "error",
  "invalid-index": "error",
  "schema-file": "error",
  "history-fails": "error",
  "generated-file": "error",
  "acceptance": "error",
  // Conventions of a house, which a profile turns on.
  "down-loses": "off",
  "undeclared-lock": "off",
  "schema-file-missing": "off",
  "schema-text": "off",
} satisfies Record<string, Level>;

export type Rule = keyof typeof usual;

/** Files of which dbmate can run nothing. */
export const unreadable: readonly string[] = ["encoding", "file-size", "missing-up"];

/** What no baseline accepts: the state of a database, and files of which dbmate can run nothing. */
export const beyondHistory: readonly string[] = [
  ...["edited", "missing", "out-of-order", "unfinished", "invalid-index"],
  "history-fails",
  ...unreadable,
];

/** Rules of squawk, the linter, with what they weigh where the project says nothing. */
const squawk = {
  "adding-required-field": "error",
  "adding-serial-primary-key-field": "error",
  "ban-alter-domain-with-add-constraint": "error",
  "ban-drop-column": "error",
  "ban-drop-database": "error",
  "ban-drop-not-null": "warning",
  "ban-drop-table": "error",
  "ban-truncate-cascade": "error",
  "identifier-too-long": "error",
  "renaming-column": "error",
  "renaming-table": "error",
  "require-concurrent-index-creation": "error",
  "require-concurrent-index-deletion": "error",
  "require-concurrent-partition-detach": "error",
  "require-concurrent-reindex": "error",
  // Conventions.
  "ban-char-field": "off",
  "ban-create-domain-with-constraint": "off",
  "prefer-identity": "off",
  "prefer-timestamp-tz": "off",
  "prefer-bigint-over-smallint": "off",
  "prefer-repack": "off",
  "require-enum-value-ordering": "off",
} satisfies Record<string, Level>;

/** Rules that guess from the text what another one measures: said once, accepted by either name. */
export const measuredBy: Record<string, Rule> = {
  "require-concurrent-index-creation": "scan-under-lock",
  "require-concurrent-reindex": "scan-under-lock",
  "ban-alter-domain-with-add-constraint": "scan-under-lock",
  "adding-required-field": "up-fails-with-rows",
};

/** Rules of squawk that are not asked for, and why. */
export const notAsked = [
  // `up` runs with a lock_timeout; the one who types dbmate has PGOPTIONS.
  "require-lock-timeout",
  "require-statement-timeout",
  // "if exists" hides that a schema is not what one thinks.
  "prefer-robust-stmts",
  // Style, not safety: the schema's conventions are its own.
  "prefer-bigint-over-int",
  "prefer-text-field",
  // The probe measures what these guess from the text: whether the table is rewritten or read in
  // full, and under which lock.
  "adding-field-with-default",
  "adding-not-nullable-field",
  "adding-foreign-key-constraint",
  "constraint-missing-not-valid",
  "changing-column-type",
  "disallowed-unique-constraint",
  // Rules of the form say the same.
  "ban-concurrent-index-creation-in-transaction",
  "transaction-nesting",
  "ban-uncommitted-transaction",
];

const levels: Record<string, Level> = { ...usual, ...squawk };

/** Sets of rules that go together. */
export const profiles: Record<"usual" | "strict", Record<string, Level>> = {
  /** Nothing but what is wrong or dangerous. */
  usual: {},
  /** Headers say which lock is taken and what is lost; each rule is on, and none only warns. */
  strict: Object.fromEntries(Object.keys(levels).map((name) => [name, "error"])),
};

export type Profile = keyof typeof profiles;

/** What a finding of a rule weighs: as the project says, else its profile, else as usual. */
export function levelOf(
  rule: string,
  { profile = "usual", rules = {} }: { profile?: Profile; rules?: Record<string, Level> },
): Level {
  return rules[rule] ?? profiles[profile][rule] ?? levels[rule] ?? "error";
}

/** Every rule by its name. */
export const ruleNames: string[] = Object.keys(levels);
