/**
 * What a comparison of catalogs leaves out, each with the reason. Everything else that PostgreSQL
 * keeps is compared: a table or a column of a later version is too, until it stands here.
 */

/** Whole tables of pg_catalog. */
export const leftOutTables: Record<string, string> = {
  pg_statistic: "what ANALYZE counts",
  pg_statistic_ext_data: "what ANALYZE counts",
  pg_largeobject: "data",
  pg_largeobject_metadata: "data",
  pg_init_privs: "the privileges that initdb and extensions give",
  pg_depend:
    "follows from the definitions; who owns a sequence, and `depends on extension`, are compared",
  pg_subscription_rel: "how far a subscription has come",
  pg_authid: "of the server, not of the database",
  pg_auth_members: "of the server, not of the database",
  pg_database: "of the server, not of the database",
  pg_db_role_setting: "`alter database set` and `alter role set` are the server's business",
  pg_parameter_acl: "of the server, not of the database",
  pg_replication_origin: "of the server, not of the database",
  pg_shdepend: "follows from the definitions",
  pg_shdescription: "of the server, not of the database",
  pg_shseclabel: "of the server, not of the database",
  pg_tablespace: "of the server, not of the database",
};

/** Columns, by `table.column`; a trailing `*` stands for any ending. */
export const leftOutColumns: Record<string, string> = {
  "*.oid": "a number that another database gives otherwise; names stand for it",
  "pg_attribute.attnum":
    "compared as the order of columns; no statement changes it, so that a difference in it alone is no fault",
  "pg_description.classoid": "the object is compared by its name",
  "pg_description.obj*": "the object is compared by its name",
  "pg_seclabel.classoid": "the object is compared by its name",
  "pg_seclabel.obj*": "the object is compared by its name",
  "pg_attribute.attlen": "follows from the type",
  "pg_attribute.attbyval": "follows from the type",
  "pg_attribute.attalign": "follows from the type",
  "pg_attribute.attndims": "PostgreSQL itself takes no notice of it, and a dump loses it",
  "pg_attribute.attcacheoff": "a cache",
  "pg_attribute.atthasdef": "the default is compared",
  "pg_attribute.atthasmissing": "how old rows are stored",
  "pg_attribute.attmissingval": "how old rows are stored",
  "pg_attribute.attisdropped": "dropped columns are left out",
  "pg_class.reltype": "the type is compared by itself",
  "pg_class.relfilenode": "where it lies on the disk",
  "pg_class.relpages": "what ANALYZE counts",
  "pg_class.reltuples": "what ANALYZE counts",
  "pg_class.relall*": "what VACUUM counts",
  "pg_class.reltoastrelid": "an internal table; its options are compared at the table",
  "pg_class.relhas*": "what it has is compared",
  "pg_class.relisshared": "no table of users is",
  "pg_class.relnatts": "what it has is compared",
  "pg_class.relchecks": "what it has is compared",
  "pg_class.relispopulated": "whether a materialized view has been filled: data",
  "pg_class.relrewrite": "while a table is written anew",
  "pg_class.relfrozenxid": "what VACUUM does",
  "pg_class.relminmxid": "what VACUUM does",
  "pg_collation.collencoding": "any, or the database's",
  "pg_collation.collversion": "of the operating system's library",
  "pg_constraint.conindid": "the index is compared by itself",
  "pg_constraint.connamespace": "the one of its table or domain",
  "pg_extension.extowner": "no statement changes it",
  "pg_extension.extrelocatable": "the extension's own",
  "pg_extension.extconfig": "the extension's own",
  "pg_extension.extcondition": "the extension's own",
  "pg_index.indnatts": "the columns are compared",
  "pg_index.indcheckxmin": "while transactions are open",
  "pg_index.indislive": "while it is dropped",
  "pg_partitioned_table.partnatts": "the columns are compared",
  "pg_partitioned_table.partdefid": "the default partition is compared by itself",
  "pg_rewrite.ev_qual": "part of the rule's text, which is compared",
  "pg_subscription.subconninfo": "may hold a password, and only a superuser may read it",
  "pg_subscription.subdbid": "the database",
  "pg_subscription.subskiplsn": "how far a subscription has come",
  "pg_trigger.tgconstrindid": "the index is compared by itself",
  "pg_trigger.tgparentid": "the parent's trigger is compared by itself",
  "pg_type.typarray": "comes with the type",
  "pg_type.typisdefined": "a type without a definition is none yet",
};

/** Single values and rows, in words: the exceptions that the query itself makes. */
export const leftOutOtherwise: Record<string, string> = {
  "objects that PostgreSQL brings": "but for the schema public and what is said about it",
  "objects of an extension, and who may use them": "they come with it; the extension is compared",
  "the extension's version, where it is the server's default":
    "each server has its own; another one is compared",
  "types of arrays": "they come with their type",
  "tables for large values, their indexes and columns": "they come with their table",
  "columns of an index, but for their statistics target and options": "the index is compared",
  "options whose names begin with `pg_`": "a server keeps them for itself, as `pg_attver`",
  "the grantor of a privilege": "who runs the migration",
  "the owner, where it is the one that migrates":
    "called differently on each server; any other is compared",
  "not null constraints of PostgreSQL 18, but for `not valid` and `no inherit`":
    "earlier ones have none: the column's not null is compared, a constraint's name is not",
  "the owners of indexes and of a table's row type": "the table's",
  "the owner of a multirange type": "the range's, from PostgreSQL 18 on",
  "the names of internal triggers": "they hold a number",
  "the names of foreign keys that refer to a partition because they refer to its parent":
    "each version makes up its own",
  "where a constraint comes from (conislocal, coninhcount, connoinherit), if it has a parent or is a key":
    "not the same after a dump and its restore",
  "the order of a policy's roles, of options and of privileges": "means nothing",
  "values of a user mapping's options, if they are called as secrets are":
    "a password is never shown",
  "grants to the roles that `serverRoles` of migrate.config.ts names":
    "they are the server's business",
};

/** Whether a column is left out. */
export function isLeftOut(table: string, column: string): boolean {
  return Object.keys(leftOutColumns).some((entry) => {
    const [from, name = ""] = entry.split(".");
    return (from === "*" || from === table) &&
      (name.endsWith("*") ? column.startsWith(name.slice(0, -1)) : name === column);
  });
}
